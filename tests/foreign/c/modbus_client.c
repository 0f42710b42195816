/* libmodbus as a client: reads one block and prints its words (or bits) in decimal, a line each.
 *
 *   modbus_client ADDRESS PORT UNIT TABLE FIRST COUNT        TABLE: coil, discrete, holding or input
 *
 * Ends with 1 and libmodbus' words where the server refuses.
 */
#include <modbus/modbus.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **words) {
    uint16_t registers[125];
    uint8_t bits[2000];
    if (count != 7) { fprintf(stderr, "see the head of the source\n"); return 2; }
    modbus_t *modbus = modbus_new_tcp(words[1], atoi(words[2]));
    int first = atoi(words[5]), wanted = atoi(words[6]), read = -1;
    modbus_set_slave(modbus, atoi(words[3]));
    if (modbus_connect(modbus) == 0) switch (words[4][0]) {
        case 'c': read = modbus_read_bits(modbus, first, wanted, bits); break;
        case 'd': read = modbus_read_input_bits(modbus, first, wanted, bits); break;
        case 'h': read = modbus_read_registers(modbus, first, wanted, registers); break;
        case 'i': read = modbus_read_input_registers(modbus, first, wanted, registers); break;
    }
    if (read == -1) { fprintf(stderr, "%s\n", modbus_strerror(errno)); return 1; }
    for (int n = 0; n < read; n++) printf("%d\n", words[4][0] == 'c' || words[4][0] == 'd' ? bits[n] : registers[n]);
    return 0;
}
