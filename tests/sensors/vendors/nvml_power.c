/* The calls of NVIDIA's management library that sensors make, answered from a file: a machine without an
   NVIDIA driver can run the real ctypes code against it. Signatures, structures and their sizes follow the
   NVML API Reference Guide.

   The file that NVML_ANSWERS names is read anew at each call, so a test can change it while the library is
   loaded. Each line is "GPU call answer", e.g. "0 nvmlDeviceGetPowerUsage 631950"; of a field value, "0 185.1
   uint 700000" (id, scope, type of its value). An answer "!3" is that return code; "?700000" returns 999 every
   other time; what is not in the file is code 3, not supported, or what "0 *" answers. "gpus 2" tells how many
   there are. Calls are logged in the file that NVML_LOG names. A library that lacks a call is compiled with
   -Dthe_call=absent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { int gpu, instance; } device;
typedef union {
    double dVal; int siVal; unsigned uiVal; unsigned long ulVal; unsigned long long ullVal;
    long long sllVal; unsigned short usVal;
} value;
typedef struct {
    unsigned fieldId, scopeId; long long timestamp, latencyUsec; int valueType, nvmlReturn; value value;
} fieldvalue;
_Static_assert(sizeof(fieldvalue) == 40, "nvmlFieldValue_t");
typedef struct { unsigned version, sensorType; int temperature; } temperature;
typedef struct { unsigned version; int marginTemperature; } margin;
typedef struct { unsigned gpu, memory; } utilization;
typedef struct { unsigned long long referenceTime, violationTime; } violation;

static device gpus[16], instances[16][7];
static int opened;
static char failing[64][64];
static int failures;

static void note(const char *call) {
    FILE *log = getenv("NVML_LOG") ? fopen(getenv("NVML_LOG"), "a") : NULL;
    if (log) { fprintf(log, "%s\n", call); fclose(log); }
}

/* The rest of the line that begins with the key, in a static buffer; NULL if there is none. */
static const char *line(const char *key) {
    static char text[256];
    FILE *file = fopen(getenv("NVML_ANSWERS"), "r");
    const char *found = NULL;
    size_t length = strlen(key);
    while (file && !found && fgets(text, sizeof text, file)) {
        text[strcspn(text, "\n")] = 0;
        if (!strncmp(text, key, length) && text[length] == ' ') found = text + length + 1;
    }
    if (file) fclose(file);
    return found;
}

/* Whether the key fails this time: it did not the last time. */
static int alternate(const char *key) {
    for (int i = 0; i < failures; i++)
        if (!strcmp(failing[i], key)) { strcpy(failing[i], ""); return 0; }
    for (int i = 0; i < 64; i++)
        if (i >= failures || !*failing[i]) {
            strcpy(failing[i], key);
            if (i >= failures) failures = i + 1;
            return 1;
        }
    return 0;
}

/* The code of an answer; what has none is answered as "GPU *" is, else not supported. */
static int code_of(const char *key, const char **answer) {
    char any[64] = "";
    if (!*answer && sscanf(key, "%60[0-9] ", any) == 1) *answer = line(strcat(any, " *"));
    if (!*answer) return 3;
    if (**answer == '!') return atoi(*answer + 1);
    if (**answer == '?') {
        if (alternate(key)) return 999;
        ++*answer;
    }
    return 0;
}

/* A call's return code, and its answer if that is 0. */
static int ask(device *gpu, const char *call, const char **answer) {
    char key[96];
    note(call);
    if (!opened) return 1;
    if (gpu->instance >= 0) return 3;
    snprintf(key, sizeof key, "%d %s", gpu->gpu, call);
    *answer = line(key);
    return code_of(key, answer);
}

static int number(device *gpu, const char *call, unsigned *out) {
    const char *answer;
    int code = ask(gpu, call, &answer);
    if (!code) *out = (unsigned)strtoull(answer, NULL, 0);
    return code;
}

static int wide(device *gpu, const char *call, unsigned long long *out) {
    const char *answer;
    int code = ask(gpu, call, &answer);
    if (!code) *out = strtoull(answer, NULL, 0);
    return code;
}

static int numbered(device *gpu, const char *call, int which, unsigned *out) {
    char name[96];
    snprintf(name, sizeof name, "%s.%d", call, which);
    return number(gpu, name, out);
}

const char *nvmlErrorString(int code) { return code == 18 ? "Driver/library version mismatch" : "Unknown Error"; }

int nvmlInit_v2(void) {
    const char *answer = line("init");
    note("nvmlInit_v2");
    if (answer) return atoi(answer + 1);
    for (int i = 0; i < 16; i++) gpus[i] = (device){i, -1};
    opened++;
    return 0;
}

int nvmlShutdown(void) { note("nvmlShutdown"); opened--; return 0; }

int nvmlDeviceGetCount_v2(unsigned *count) {
    const char *answer = line("gpus");
    int code = code_of("gpus", &answer);
    if (!code) *count = atoi(answer);
    return code;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, device **handle) {
    char key[64];
    snprintf(key, sizeof key, "%u handle", index);
    if (line(key)) return atoi(line(key) + 1);
    *handle = &gpus[index];
    return 0;
}

static int text(device *gpu, const char *call, char *out, unsigned length) {
    char key[64];
    if (gpu->instance < 0) snprintf(key, sizeof key, "%d %s", gpu->gpu, call);
    else snprintf(key, sizeof key, "%d instance.%d", gpu->gpu, gpu->instance);
    const char *answer = line(key);
    int code = code_of(key, &answer);
    if (!code) snprintf(out, length, "%s", answer);
    return code;
}

int nvmlDeviceGetName(device *gpu, char *out, unsigned length) { return text(gpu, "name", out, length); }
int nvmlDeviceGetUUID(device *gpu, char *out, unsigned length) { return text(gpu, "uuid", out, length); }

/* Asked for by the look for devices, before anything is measured. */
int nvmlDeviceGetMemoryInfo(device *gpu, unsigned long long *memory) {
    memory[0] = 80ULL << 30;
    memory[1] = memory[2] = memory[0] / 2;
    return 0;
}

int nvmlDeviceGetMigMode(device *gpu, unsigned *current, unsigned *pending) {
    *pending = 0;
    return number(gpu, "nvmlDeviceGetMigMode", current);
}

int nvmlDeviceGetMaxMigDeviceCount(device *gpu, unsigned *most) { *most = 7; return 0; }

int nvmlDeviceGetMigDeviceHandleByIndex(device *gpu, unsigned index, device **handle) {
    char key[64];
    snprintf(key, sizeof key, "%d instance.%u", gpu->gpu, index);
    if (!line(key)) return 6;
    instances[gpu->gpu][index] = (device){gpu->gpu, (int)index};
    *handle = &instances[gpu->gpu][index];
    return 0;
}

/* "by-uuid MIG-… 0": an instance of GPU 0 that is known by its UUID only. */
int nvmlDeviceGetHandleByUUID(const char *uuid, device **handle) {
    char key[128];
    snprintf(key, sizeof key, "by-uuid %s", uuid);
    const char *answer = line(key);
    if (!answer) return 6;
    instances[atoi(answer)][6] = (device){atoi(answer), 6};
    *handle = &instances[atoi(answer)][6];
    return 0;
}

int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(device *instance, device **handle) {
    if (instance->instance < 0) return 2;
    *handle = &gpus[instance->gpu];
    return 0;
}

int nvmlDeviceGetCudaComputeCapability(device *gpu, int *major, int *minor) {
    const char *answer;
    int code = ask(gpu, "nvmlDeviceGetCudaComputeCapability", &answer);
    if (!code) sscanf(answer, "%d.%d", major, minor);
    return code;
}

#define NUMBER(call) int call(device *gpu, unsigned *out) { return number(gpu, #call, out); }
#define WIDE(call) int call(device *gpu, unsigned long long *out) { return wide(gpu, #call, out); }

NUMBER(nvmlDeviceGetPowerUsage)
NUMBER(nvmlDeviceGetEnforcedPowerLimit)
NUMBER(nvmlDeviceGetPowerManagementDefaultLimit)
WIDE(nvmlDeviceGetTotalEnergyConsumption)
WIDE(nvmlDeviceGetCurrentClocksEventReasons)
WIDE(nvmlDeviceGetCurrentClocksThrottleReasons)
WIDE(nvmlDeviceGetSupportedClocksEventReasons)
WIDE(nvmlDeviceGetSupportedClocksThrottleReasons)

int nvmlDeviceGetPowerManagementLimitConstraints(device *gpu, unsigned *lowest, unsigned *highest) {
    const char *answer;
    int code = ask(gpu, "nvmlDeviceGetPowerManagementLimitConstraints", &answer);
    if (!code) sscanf(answer, "%u %u", lowest, highest);
    return code;
}

/* A limit that was set is kept in a file beside the answers, as a driver keeps it: for all processes. */
static char *kept(device *gpu) {
    static char path[512];
    snprintf(path, sizeof path, "%s.limit.%d", getenv("NVML_ANSWERS"), gpu->gpu);
    return path;
}

int nvmlDeviceGetPowerManagementLimit(device *gpu, unsigned *out) {
    FILE *file = fopen(kept(gpu), "r");
    int code = number(gpu, "nvmlDeviceGetPowerManagementLimit", out);
    if (!code && file && fscanf(file, "%u", out) != 1) code = 999;
    if (file) fclose(file);
    return code;
}

int nvmlDeviceSetPowerManagementLimit(device *gpu, unsigned limit) {
    const char *answer;
    int code = ask(gpu, "nvmlDeviceSetPowerManagementLimit", &answer);
    if (!code) {
        FILE *file = fopen(kept(gpu), "w");
        fprintf(file, "%u", limit);
        fclose(file);
    }
    return code;
}

int nvmlDeviceGetTemperature(device *gpu, unsigned sensor, unsigned *out) {
    return sensor ? 2 : number(gpu, "nvmlDeviceGetTemperature", out);
}

int nvmlDeviceGetTemperatureV(device *gpu, temperature *out) {
    if (out->version != 0x100000C) return 25;
    return out->sensorType ? 2 : number(gpu, "nvmlDeviceGetTemperatureV", (unsigned *)&out->temperature);
}

int nvmlDeviceGetMarginTemperature(device *gpu, margin *out) {
    if (out->version != 0x1000008) return 25;
    return number(gpu, "nvmlDeviceGetMarginTemperature", (unsigned *)&out->marginTemperature);
}

int nvmlDeviceGetTemperatureThreshold(device *gpu, unsigned kind, unsigned *out) {
    return numbered(gpu, "nvmlDeviceGetTemperatureThreshold", kind, out);
}

int nvmlDeviceGetUtilizationRates(device *gpu, utilization *out) {
    out->memory = 99;
    return number(gpu, "nvmlDeviceGetUtilizationRates", &out->gpu);
}

int nvmlDeviceGetViolationStatus(device *gpu, unsigned policy, violation *out) {
    char name[96];
    snprintf(name, sizeof name, "nvmlDeviceGetViolationStatus.%u", policy);
    out->referenceTime = 1700000000000000ULL;
    return wide(gpu, name, &out->violationTime);
}

static const char *kinds[] = {"double", "uint", "ulong", "ull", "sll", "int", "ushort"};

/* As the driver's: code 0 if any value is good; what is refused has rubbish for a value; a good one is added
   to what stands in the union. */
int nvmlDeviceGetFieldValues(device *gpu, int count, fieldvalue *values) {
    int good = 0, code = 0;
    note("nvmlDeviceGetFieldValues");
    for (int i = 0; i < count; i++) {
        fieldvalue *each = &values[i];
        char key[64], kind[16] = "", digits[64] = "";
        snprintf(key, sizeof key, "%d %u.%u", gpu->gpu, each->fieldId, each->scopeId);
        const char *answer = opened ? line(key) : "!1";
        each->nvmlReturn = code = code_of(key, &answer);
        if (code) { each->valueType = 1; each->value.ullVal = 0xDEADBEEF; continue; }
        good = 1;
        sscanf(answer, "%15s %63s", kind, digits);
        each->valueType = 7;
        for (int k = 0; k < 7; k++) if (!strcmp(kinds[k], kind)) each->valueType = k;
        switch (each->valueType) {
            case 0: each->value.dVal += strtod(digits, NULL); break;
            case 1: each->value.uiVal += (unsigned)strtoull(digits, NULL, 0); break;
            case 5: each->value.siVal += (int)strtoll(digits, NULL, 0); break;
            case 6: each->value.usVal += (unsigned short)strtoull(digits, NULL, 0); break;
            case 4: each->value.sllVal += strtoll(digits, NULL, 0); break;
            default: each->value.ullVal += strtoull(digits, NULL, 0); break;
        }
    }
    return good ? 0 : code;
}
