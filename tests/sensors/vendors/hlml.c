/* The calls of Habana's management library that the probes make, with the devices that HLML names: a machine
   without a Gaudi can run the real ctypes code against it. Signatures follow hlml.h. HLML has one entry a
   device, separated by ";", of words "name=number"; a call whose word is not there is not supported (3), and
   one whose number is negative returns that code. HLML_INIT is what hlml_init returns. Built with -DOLD it is
   a library without handles by address, and without energy. */
#include <stdlib.h>
#include <string.h>

typedef struct { unsigned aip; } hlml_utilization_t;

int opened;

static const char *device(long number) {
    const char *text = getenv("HLML");
    while (text && number--) {
        text = strchr(text, ';');
        if (text) text++;
    }
    return text && *text ? text : NULL;
}

/* 0 and the number of a word, or a code. */
static int look(long number, const char *word, long long *found) {
    const char *text = device(number), *end, *at;
    size_t length = strlen(word);
    if (!text) return 2;
    end = text + strcspn(text, ";");
    for (at = text; (at = strstr(at, word)) && at < end; at += length)
        if ((at == text || at[-1] == ' ') && at[length] == '=') {
            *found = (long long)strtoull(at + length + 1, NULL, 10);
            if (at[length + 1] != '-') return 0;
            return (int)-*found;
        }
    return 3;
}

static int tell(void *handle, const char *word, unsigned *value) {
    long long found = 0;
    int code = look((long)handle - 1, word, &found);
    *value = code ? 77 : (unsigned)found; /* what is written beside an error means nothing */
    return code;
}

int hlml_init(void) {
    const char *code = getenv("HLML_INIT");
    if (code && atoi(code)) return atoi(code);
    opened++;
    return 0;
}

int hlml_shutdown(void) { opened--; return 0; }

int hlml_device_get_handle_by_index(unsigned index, void **handle) {
    long long found = 0;
    for (long number = 0; device(number); number++)
        if (!look(number, "index", &found) && found == index) {
            *handle = (void *)(number + 1);
            return 0;
        }
    return 2;
}

int hlml_device_get_power_usage(void *handle, unsigned *power) { return tell(handle, "power", power); }

int hlml_device_get_power_management_default_limit(void *handle, unsigned *limit) {
    return tell(handle, "limit", limit);
}

int hlml_device_get_temperature(void *handle, int place, unsigned *value) {
    return tell(handle, place == 0 ? "aip" : "board", value);
}

int hlml_device_get_temperature_threshold(void *handle, int which, unsigned *value) {
    return tell(handle, which == 0 ? "shutdown" : which == 1 ? "slowdown" : "other", value);
}

int hlml_device_get_utilization_rates(void *handle, hlml_utilization_t *utilization) {
    return tell(handle, "busy", &utilization->aip);
}

int hlml_device_get_current_clocks_throttle_reasons(void *handle, unsigned long long *reasons) {
    return look((long)handle - 1, "reasons", (long long *)reasons);
}

#ifndef OLD
int hlml_device_get_handle_by_pci_bus_id(const char *address, void **handle) {
    long long found = 0;
    for (long number = 0; device(number); number++)
        if (!look(number, "bus", &found) && found == strtol(address + 5, NULL, 16)) {
            *handle = (void *)(number + 1);
            return 0;
        }
    return 6;
}

int hlml_device_get_total_energy_consumption(void *handle, unsigned long long *energy) {
    return look((long)handle - 1, "energy", (long long *)energy);
}
#endif
