/* libmodbus as a server: exception 2 for whatever registers.txt does not name.
 *
 *   modbus_server tcp PORT UNIT REGISTERS [single]      single: while one is connected, further connections are refused
 *   modbus_server rtu TERMINAL UNIT REGISTERS           19200 8N1
 *
 * Prints one JSON line when it answers; ends when its standard input does.
 */
#include <modbus/modbus.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 32, SIZE = 1024 };
static const char *const TABLES[] = {"coil", "discrete", "holding", "input"};
static unsigned char known[4][SIZE];
static modbus_mapping_t *memory;

static void load(const char *path) {
    char line[256], table[16];
    int address;
    unsigned word;
    FILE *file = fopen(path, "r");
    if (file == NULL) { perror(path); exit(1); }
    while (fgets(line, sizeof line, file) != NULL)
        for (int t = 0; t < 4; t++)
            if (sscanf(line, "%15s %d %x", table, &address, &word) == 3 && strcmp(table, TABLES[t]) == 0) {
                known[t][address] = 1;
                if (t == 0) memory->tab_bits[address] = word;
                if (t == 1) memory->tab_input_bits[address] = word;
                if (t == 2) memory->tab_registers[address] = word;
                if (t == 3) memory->tab_input_registers[address] = word;
            }
    fclose(file);
}

/* Whether every address that the request names exists; functions other than 1-6, 15 and 16 are left to libmodbus. */
static int exists(const uint8_t *request) {
    static const signed char TABLE_OF[] = {-1, 0, 1, 2, 3, 0, 2, -1, -1, -1, -1, -1, -1, -1, -1, 0, 2};
    int function = request[0];
    int table = function < (int)sizeof TABLE_OF ? TABLE_OF[function] : -1;
    int first = request[1] << 8 | request[2], count = request[3] << 8 | request[4];
    if (table < 0) return 1;
    if (function == 5 || function == 6) count = 1;
    for (int address = first; address < first + count; address++)
        if (address >= SIZE || !known[table][address]) return 0;
    return 1;
}

/* Answers one request; -1 where the connection is at its end. */
static int answer(modbus_t *modbus) {
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
    int length = modbus_receive(modbus, request);
    if (length <= 0) return length;
    if (!exists(request + modbus_get_header_length(modbus)))
        return modbus_reply_exception(modbus, request, MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS);
    return modbus_reply(modbus, request, length, memory);
}

static void serve_rtu(modbus_t *modbus) {
    struct pollfd watched[2] = {{0, POLLIN}, {modbus_get_socket(modbus), POLLIN}};
    for (;;) {
        poll(watched, 2, -1);
        if (watched[0].revents != 0) return;
        answer(modbus); /* a damaged frame is an error here, and not the end of the line */
    }
}

static void serve_tcp(modbus_t *modbus, int listening, int single) {
    struct pollfd watched[2 + MOST] = {{0, POLLIN}, {listening, POLLIN}};
    int count = 2;
    for (;;) {
        poll(watched, count, -1);
        if (watched[0].revents != 0) return;
        for (int n = count - 1; n >= 2; n--) {
            if (watched[n].revents == 0) continue;
            modbus_set_socket(modbus, watched[n].fd);
            if (answer(modbus) != -1) continue;
            close(watched[n].fd);
            watched[n] = watched[--count];
            if (single) watched[1].fd = modbus_tcp_listen(modbus, MOST);
        }
        if (watched[1].fd >= 0 && watched[1].revents != 0 && count < 2 + MOST) {
            listening = watched[1].fd;
            watched[count].events = POLLIN;
            watched[count].revents = 0;
            watched[count++].fd = modbus_tcp_accept(modbus, &listening);
            if (single) { close(listening); watched[1].fd = -1; }
        }
    }
}

int main(int count, char **words) {
    if (count < 5) { fprintf(stderr, "see the head of the source\n"); return 2; }
    int is_rtu = strcmp(words[1], "rtu") == 0;
    modbus_t *modbus = is_rtu ? modbus_new_rtu(words[2], 19200, 'N', 8, 1) : modbus_new_tcp("127.0.0.1", atoi(words[2]));
    memory = modbus_mapping_new(SIZE, SIZE, SIZE, SIZE);
    load(words[4]);
    modbus_set_slave(modbus, atoi(words[3]));
    int listening = is_rtu ? modbus_connect(modbus) : modbus_tcp_listen(modbus, MOST);
    if (listening == -1) { fprintf(stderr, "%s: %s\n", words[2], modbus_strerror(errno)); return 1; }
    if (is_rtu) printf("{\"url\": \"modbus-serial://%s/%s?baud=19200&parity=N\"}\n", words[2], words[3]);
    else printf("{\"url\": \"modbus://127.0.0.1:%s/%s\"}\n", words[2], words[3]);
    fflush(stdout);
    if (is_rtu) serve_rtu(modbus);
    else serve_tcp(modbus, listening, count > 5);
    return 0;
}
