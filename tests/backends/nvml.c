/* The calls of NVIDIA's management library that detection makes, with the GPUs that NVML_GPUS names:
   a machine without an NVIDIA driver can run the real ctypes code against it. Signatures and structures
   follow the NVML API Reference Guide. NVML_GPUS is one entry a GPU, "memory in GiB, MIG instances (- for
   MIG off)", separated by ";"; NVML_REFUSES makes nvmlInit_v2 fail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { unsigned long long total, free, used; } nvmlMemory_t;
typedef struct { int gpu, instance, memory, mig; } device;

static device gpus[16], instances[16][7];
static unsigned count;
static int opened;

const char *nvmlErrorString(int code) { return code == 18 ? "Driver/library version mismatch" : "Unknown Error"; }

int nvmlInit_v2(void) {
    const char *text = getenv("NVML_GPUS");
    char mig[8];
    if (getenv("NVML_REFUSES")) return 18;
    for (count = 0; text && *text; count++) {
        device *gpu = &gpus[count];
        if (sscanf(text, "%d,%7[^;]", &gpu->memory, mig) != 2) return 999;
        gpu->gpu = count;
        gpu->instance = -1;
        gpu->mig = mig[0] == '-' ? -1 : atoi(mig);
        text = strchr(text, ';');
        if (text) text++;
    }
    opened++;
    return 0;
}

int nvmlShutdown(void) { return --opened; }

int nvmlDeviceGetCount_v2(unsigned *found) { *found = count; return 0; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, device **handle) {
    if (index >= count) return 2;
    *handle = &gpus[index];
    return 0;
}

int nvmlDeviceGetName(device *gpu, char *name, unsigned length) {
    snprintf(name, length, "NVIDIA H100 80GB HBM3");
    return 0;
}

int nvmlDeviceGetUUID(device *gpu, char *uuid, unsigned length) {
    snprintf(uuid, length, "GPU-%08x-aaaa-bbbb-cccc-dddddddddddd", 0x10 + gpu->gpu);
    return 0;
}

int nvmlDeviceGetMemoryInfo(device *gpu, nvmlMemory_t *memory) {
    if (gpu->memory == 0) return 3;
    memory->total = (unsigned long long)gpu->memory << 30;
    memory->free = memory->used = memory->total / 2;
    return 0;
}

int nvmlDeviceGetMigMode(device *gpu, unsigned *current, unsigned *pending) {
    *current = *pending = gpu->mig >= 0;
    return 0;
}

int nvmlDeviceGetMaxMigDeviceCount(device *gpu, unsigned *most) { *most = 7; return 0; }

int nvmlDeviceGetMigDeviceHandleByIndex(device *gpu, unsigned index, device **handle) {
    device *instance = &instances[gpu->gpu][index];
    if ((int)index >= gpu->mig) return 6;
    *instance = (device){gpu->gpu, (int)index, 10, -1};
    *handle = instance;
    return 0;
}
