/* Moments and latencies, which both load generators measure and tell in the same way. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double *latencies;
static size_t latency_count, latency_room;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void *grown(void *memory, size_t count, size_t *room, size_t size) {
    if (count < *room) return memory;
    *room = *room ? *room * 2 : 4096;
    memory = realloc(memory, *room * size);
    if (!memory) fail("memory");
    return memory;
}

static uint8_t *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) fail(path);
    fseek(file, 0, SEEK_END);
    *size = ftell(file);
    rewind(file);
    uint8_t *data = malloc(*size + 1);
    if (!data || fread(data, 1, *size, file) != *size) fail(path);
    fclose(file);
    return data;
}

static void note_latency(double seconds) {
    latencies = grown(latencies, latency_count, &latency_room, sizeof *latencies);
    latencies[latency_count++] = seconds;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Of sorted latencies, in milliseconds: so large a share of them is no longer than this. */
static double percentile(double share) {
    if (!latency_count) return 0;
    size_t place = (size_t)(latency_count * share);
    return latencies[place < latency_count ? place : latency_count - 1] * 1e3;
}

static double processor_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

/* What both tell, as the middle of a JSON object. */
static void tell_latencies(void) {
    qsort(latencies, latency_count, sizeof *latencies, by_value);
    printf("\"cpu\": %.4f, \"p50\": %.4f, \"p95\": %.4f, \"p99\": %.4f, \"max\": %.4f", processor_seconds(),
           percentile(.5), percentile(.95), percentile(.99), percentile(1));
}
