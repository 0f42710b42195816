/* open62541 as a server: the nodes of node/opcua_server.js, by a stack that is strict about what clients write.
 *
 *   opcua_server PORT                                   no encryption, anyone
 *   opcua_server PORT CERTIFICATE KEY [TRUSTED]         also Basic256Sha256, Aes128, Aes256 (files in DER); clients of the one
 *                                                       trusted certificate, or any; "operator" with "correct horse", or anyone
 *
 * Prints one JSON line when it answers; ends when its standard input does.
 */
/* tcc would copy the library's tables into the program, aligned less than the library relies on: they are looked up instead. */
#define UA_TYPES (*found_types)
#define UA_NODEID_NULL (*found_no_node)
#define UA_BYTESTRING_NULL (*found_no_bytes)
#define UA_VariableAttributes_default (*found_variable)
#define UA_ObjectAttributes_default (*found_object)
#define UA_MethodAttributes_default (*found_method)
#include <open62541/plugin/accesscontrol_default.h>
#include <open62541/plugin/log_stdout.h>
#include <open62541/plugin/pki_default.h>
#include <open62541/server.h>
#include <open62541/server_config_default.h>
#include <dlfcn.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

UA_DataType (*found_types)[UA_TYPES_COUNT];
const UA_NodeId *found_no_node;
const UA_ByteString *found_no_bytes;
const UA_VariableAttributes *found_variable;
const UA_ObjectAttributes *found_object;
const UA_MethodAttributes *found_method;
static UA_Server *server;
static UA_UInt16 own;

static UA_ByteString content(const char *path) {
    static UA_Byte room[16384];
    UA_ByteString held = {0, room}, copy = UA_BYTESTRING_NULL;
    FILE *file = fopen(path, "rb");
    if (file == NULL) { perror(path); exit(1); }
    held.length = fread(room, 1, sizeof room, file);
    fclose(file);
    UA_ByteString_copy(&held, &copy);
    return copy;
}

static UA_NodeId node(const char *name) { return UA_NODEID_STRING(own, (char *)name); }

static void variable(const char *name, const void *value, int type) {
    UA_VariableAttributes attributes = UA_VariableAttributes_default;
    UA_Variant_setScalar(&attributes.value, (void *)value, &UA_TYPES[type]);
    attributes.dataType = UA_TYPES[type].typeId;
    attributes.accessLevel = UA_ACCESSLEVELMASK_READ;
    UA_Server_addVariableNode(server, node(name), node("Foreign"), UA_NODEID_NUMERIC(0, UA_NS0ID_HASCOMPONENT),
                              UA_QUALIFIEDNAME(own, (char *)name),
                              UA_NODEID_NUMERIC(0, UA_NS0ID_BASEDATAVARIABLETYPE), attributes, NULL, NULL);
}

static UA_StatusCode read_set(UA_Server *s, const UA_NodeId *session, void *context, const UA_NodeId *name, void *held,
                              UA_Boolean timed, const UA_NumericRange *range, UA_DataValue *reply) {
    reply->hasValue = true;
    return UA_Variant_copy(held, &reply->value);
}

/* A value is all that may be written, as open62541 itself had it for a while in 2026 (its issue 8062): not even "Good". */
static UA_StatusCode write_set(UA_Server *s, const UA_NodeId *session, void *context, const UA_NodeId *name, void *held,
                               const UA_NumericRange *range, const UA_DataValue *given) {
    if (given->hasStatus || given->hasSourceTimestamp || given->hasServerTimestamp)
        return UA_STATUSCODE_BADWRITENOTSUPPORTED;
    if (given->value.type != ((UA_Variant *)held)->type) return UA_STATUSCODE_BADTYPEMISMATCH;
    UA_Variant_clear(held);
    return UA_Variant_copy(&given->value, held);
}

static void settable(const char *name, const void *value, int type) {
    UA_VariableAttributes attributes = UA_VariableAttributes_default;
    UA_DataSource source = {read_set, write_set};
    UA_Variant *held = UA_Variant_new();
    UA_Variant_setScalarCopy(held, value, &UA_TYPES[type]);
    attributes.dataType = UA_TYPES[type].typeId;
    attributes.accessLevel = UA_ACCESSLEVELMASK_READ | UA_ACCESSLEVELMASK_WRITE;
    UA_Server_addDataSourceVariableNode(server, node(name), node("Foreign"),
                                        UA_NODEID_NUMERIC(0, UA_NS0ID_HASCOMPONENT),
                                        UA_QUALIFIEDNAME(own, (char *)name),
                                        UA_NODEID_NUMERIC(0, UA_NS0ID_BASEDATAVARIABLETYPE), attributes, source, held, NULL);
}

static void number(const char *name, double value, UA_StatusCode status) {
    variable(name, &value, UA_TYPES_DOUBLE);
    UA_DataValue held;
    UA_DataValue_init(&held);
    UA_Variant_setScalar(&held.value, &value, &UA_TYPES[UA_TYPES_DOUBLE]);
    held.hasValue = held.hasSourceTimestamp = true;
    held.sourceTimestamp = UA_DateTime_now();
    held.hasStatus = status != UA_STATUSCODE_GOOD;
    held.status = status;
    UA_Server_writeDataValue(server, node(name), held);
}

static void variables(void) {
    UA_Boolean boolean = true, off = false;
    UA_SByte sbyte = -8;
    UA_Byte byte = 200;
    UA_Int16 int16 = -1600, none16 = 0;
    UA_UInt16 uint16 = 65000;
    UA_Int32 int32 = -320000;
    UA_UInt32 uint32 = 4000000000u, none32 = 0;
    UA_Int64 int64 = -1000;
    UA_UInt64 uint64 = 1234567;
    UA_Float single = 1.5f, nought = 0;
    UA_Double none = 0;
    UA_String text = UA_STRING("\xe6\x89\xb9\xe5\x8f\xb7 42");
    UA_DateTime when = UA_DateTime_fromUnixTime(1767323045); /* 2026-01-02T03:04:05Z */
    struct { const char *name; const void *value; int type; } held[] = {
        {"Boolean", &boolean, UA_TYPES_BOOLEAN}, {"SByte", &sbyte, UA_TYPES_SBYTE}, {"Byte", &byte, UA_TYPES_BYTE},
        {"Int16", &int16, UA_TYPES_INT16}, {"UInt16", &uint16, UA_TYPES_UINT16}, {"Int32", &int32, UA_TYPES_INT32},
        {"UInt32", &uint32, UA_TYPES_UINT32}, {"Int64", &int64, UA_TYPES_INT64}, {"UInt64", &uint64, UA_TYPES_UINT64},
        {"Float", &single, UA_TYPES_FLOAT}, {"String", &text, UA_TYPES_STRING}, {"When", &when, UA_TYPES_DATETIME},
        {"Set.Refused", &none, UA_TYPES_DOUBLE},
    };
    struct { const char *name; const void *value; int type; } writable[] = {
        {"Set.Boolean", &off, UA_TYPES_BOOLEAN}, {"Set.Int16", &none16, UA_TYPES_INT16},
        {"Set.UInt32", &none32, UA_TYPES_UINT32}, {"Set.Float", &nought, UA_TYPES_FLOAT},
        {"Set.Double", &none, UA_TYPES_DOUBLE},
    };
    for (size_t n = 0; n < sizeof held / sizeof *held; n++) variable(held[n].name, held[n].value, held[n].type);
    for (size_t n = 0; n < sizeof writable / sizeof *writable; n++)
        settable(writable[n].name, writable[n].value, writable[n].type);
    number("Double", -45.25, UA_STATUSCODE_GOOD);
    number("NotANumber", 0.0 / none, UA_STATUSCODE_GOOD);
    number("Failed", 21.5, UA_STATUSCODE_BADSENSORFAILURE);
    number("Doubtful", 22.5, UA_STATUSCODE_UNCERTAINSENSORNOTACCURATE);
    number("Started", 0, UA_STATUSCODE_GOOD);
    for (int n = 1; n <= 1000; n++) {
        char name[16];
        snprintf(name, sizeof name, "Many.%d", n);
        number(name, n + 0.5, UA_STATUSCODE_GOOD);
    }
}

static UA_StatusCode start(UA_Server *s, const UA_NodeId *session, void *context, const UA_NodeId *method, void *more,
                           const UA_NodeId *object, void *its, size_t given, const UA_Variant *input, size_t wanted,
                           UA_Variant *output) {
    UA_Double product = *(UA_Float *)input[0].data * *(UA_UInt32 *)input[1].data;
    if (*(UA_UInt32 *)input[1].data > 1000) return UA_STATUSCODE_BADOUTOFRANGE;
    number("Started", product, UA_STATUSCODE_GOOD);
    return UA_STATUSCODE_GOOD;
}

static void address_space(void) {
    UA_ObjectAttributes folder = UA_ObjectAttributes_default;
    UA_MethodAttributes method = UA_MethodAttributes_default;
    UA_Argument input[2];
    own = UA_Server_addNamespace(server, "urn:telemetry:foreign");
    UA_Server_addObjectNode(server, node("Foreign"), UA_NODEID_NUMERIC(0, UA_NS0ID_OBJECTSFOLDER),
                            UA_NODEID_NUMERIC(0, UA_NS0ID_ORGANIZES), UA_QUALIFIEDNAME(own, "Foreign"),
                            UA_NODEID_NUMERIC(0, UA_NS0ID_BASEOBJECTTYPE), folder, NULL, NULL);
    variables();
    for (int n = 0; n < 2; n++) {
        UA_Argument_init(&input[n]);
        input[n].name = UA_STRING(n == 0 ? "Concentration" : "Minutes");
        input[n].dataType = UA_TYPES[n == 0 ? UA_TYPES_FLOAT : UA_TYPES_UINT32].typeId;
        input[n].valueRank = UA_VALUERANK_SCALAR;
    }
    method.executable = method.userExecutable = true;
    UA_Server_addMethodNode(server, node("Start"), node("Foreign"), UA_NODEID_NUMERIC(0, UA_NS0ID_HASCOMPONENT),
                            UA_QUALIFIEDNAME(own, "Start"), method, start, 2, input, 0, NULL, NULL, NULL);
}

static void encryption(UA_ServerConfig *config, int port, int count, char **words) {
    UA_ByteString certificate = content(words[2]), key = content(words[3]);
    UA_ByteString trusted = count > 4 ? content(words[4]) : UA_BYTESTRING_NULL;
    UA_UsernamePasswordLogin login = {UA_STRING("operator"), UA_STRING("correct horse")};
    UA_ServerConfig_setDefaultWithSecurityPolicies(config, port, &certificate, &key, &trusted, count > 4, NULL, 0, NULL, 0);
    if (count <= 4) UA_CertificateVerification_AcceptAll(&config->secureChannelPKI);
    config->accessControl.clear(&config->accessControl);
    UA_AccessControl_default(config, true, NULL, 1, &login);
}

static void find_tables(void) {
    found_types = dlsym(NULL, "UA_TYPES");
    found_no_node = dlsym(NULL, "UA_NODEID_NULL");
    found_no_bytes = dlsym(NULL, "UA_BYTESTRING_NULL");
    found_variable = dlsym(NULL, "UA_VariableAttributes_default");
    found_object = dlsym(NULL, "UA_ObjectAttributes_default");
    found_method = dlsym(NULL, "UA_MethodAttributes_default");
}

int main(int count, char **words) {
    UA_ServerConfig config;
    struct pollfd input = {0, POLLIN};
    char url[64];
    if (count < 2) { fprintf(stderr, "see the head of the source\n"); return 2; }
    find_tables();
    memset(&config, 0, sizeof config);
    config.logging = UA_Log_Stdout_new(UA_LOGLEVEL_WARNING);
    if (count > 3) encryption(&config, atoi(words[1]), count, words);
    else UA_ServerConfig_setMinimal(&config, atoi(words[1]), NULL);
    UA_String_clear(&config.applicationDescription.applicationUri);
    config.applicationDescription.applicationUri = UA_STRING_ALLOC("urn:telemetry:foreign:server");
    for (size_t n = 0; n < config.endpointsSize; n++) {
        UA_String_clear(&config.endpoints[n].server.applicationUri);
        config.endpoints[n].server.applicationUri = UA_STRING_ALLOC("urn:telemetry:foreign:server");
    }
    snprintf(url, sizeof url, "opc.tcp://127.0.0.1:%s", words[1]);
    UA_String_clear(&config.serverUrls[0]);
    config.serverUrls[0] = UA_STRING_ALLOC(url);
    server = UA_Server_newWithConfig(&config);
    if (server == NULL || UA_Server_run_startup(server) != UA_STATUSCODE_GOOD) return 1;
    address_space();
    printf("{\"url\": \"%s\"}\n", url);
    fflush(stdout);
    do UA_Server_run_iterate(server, true);
    while (poll(&input, 1, 0) == 0);
    UA_Server_run_shutdown(server);
    UA_Server_delete(server);
    return 0;
}
