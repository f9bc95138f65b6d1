/* A small stand-in for NVIDIA's management library: FAKE_CARDS cards, and FAKE_MUTE names what they do not tell. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, NOT_SUPPORTED = 3, INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9 };
typedef struct { unsigned int gpu, memory; } utilization_t;
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned int version; unsigned long long total, reserved, free, used; } memory_v2_t;
typedef struct { unsigned int pid; unsigned long long used; unsigned int gpu_instance, compute_instance; } process_t;

static int mute(const char *name) { const char *told = getenv("FAKE_MUTE"); return told && strstr(told, name); }
static unsigned int cards(void) { const char *told = getenv("FAKE_CARDS"); return told ? (unsigned int)atoi(told) : 1; }
static unsigned int number(void *card) { return (unsigned int)((unsigned long)card - 1); }

int nvmlInitWithFlags(unsigned int flags) { (void)flags; return mute("init") ? DRIVER_NOT_LOADED : OK; }
const char *nvmlErrorString(int result) { return result == DRIVER_NOT_LOADED ? "Driver Not Loaded" : "Not Supported"; }
int nvmlDeviceGetCount_v2(unsigned int *count) { *count = cards(); return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **card) { *card = (void *)(unsigned long)(index + 1); return OK; }
int nvmlDeviceGetName(void *card, char *name, unsigned int length) { (void)card; strncpy(name, "Fake A100", length); return OK; }
int nvmlDeviceGetUtilizationRates(void *card, utilization_t *use) { use->gpu = 37 + number(card); use->memory = 5; return mute("use") ? NOT_SUPPORTED : OK; }
int nvmlDeviceGetMemoryInfo(void *card, memory_t *memory) { (void)card; memory->total = 1ULL << 34; memory->used = 3ULL << 29; memory->free = 29ULL << 29; return OK; }
int nvmlDeviceGetMemoryInfo_v2(void *card, memory_v2_t *memory) {
    (void)card;
    memory->total = 1ULL << 34; memory->reserved = 1ULL << 29; memory->used = 1ULL << 30; memory->free = 29ULL << 29;
    return mute("reserve") ? NOT_SUPPORTED : OK;
}
int nvmlDeviceGetTemperature(void *card, int sensor, unsigned int *heat) { (void)card; (void)sensor; *heat = 61; return OK; }
int nvmlDeviceGetPowerUsage(void *card, unsigned int *milliwatts) { (void)card; *milliwatts = 95500; return mute("power") ? NOT_SUPPORTED : OK; }
int nvmlDeviceGetComputeRunningProcesses_v3(void *card, unsigned int *count, process_t *told) {
    (void)card;
    if (*count < 2) { *count = 2; return INSUFFICIENT_SIZE; }
    *count = 2;
    told[0] = (process_t){1, 7ULL << 20, 0, 0};
    told[1] = (process_t){(unsigned int)getpid(), 123ULL << 20, 0, 0};
    return mute("processes") ? NOT_SUPPORTED : OK;
}
