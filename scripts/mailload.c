/* What a busy mail server asks: a load generator for policy delegation and socketmap.
 *
 *   mailload HOST PORT policy|socketmap REQUESTS CONNECTIONS SECONDS [RATE [START]]     one line of JSON
 *   mailload --null PORT policy|socketmap         a server that only answers: the generator's own ceiling
 *
 * REQUESTS holds for each request u32 length (little endian) | octets. Connections stay open and each has one request
 * in flight, as smtpd processes do. Without RATE, or with 0, each sends the next as soon as it is answered. With RATE so
 * many a second are due at even moments whatever the server does, and a latency begins when its request was due: one
 * that finds no connection free has waited all the same, and a server that stops for a moment is charged for everything
 * that would have been asked meanwhile. Connections take turns. START: which request is the first.
 *
 * Answers are counted by their first word (action=DUNNO, OK, NOTFOUND). Throughput counts what ended in time, latencies
 * count everything, also what is never answered.
 */
#define _GNU_SOURCE
#include "latencies.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER = 4096, EVENTS = 128, WORDS = 32, WORD = 32, CONNECTIONS_MAX = 1024 };
static const double GRACE = 10.0; /* seconds for what is in flight at the end */
static const double NAP = 0.05;   /* seconds without looking at the clock */

typedef struct { const uint8_t *start; uint32_t size; } Request;

typedef struct {
    int fd, busy;
    double due;
    size_t have;
    char answer[ANSWER];
} Slot;

typedef struct { char text[WORD]; size_t count; } Word;

static Request *requests;
static size_t request_count, next_request, done;
static Slot slots[CONNECTIONS_MAX];
static int slot_count, is_policy, epoll_fd;
static int idle[CONNECTIONS_MAX]; /* a ring, so that every connection is used */
static int idle_first, idle_count;
static Word words[WORDS];

static void load(const char *path) {
    size_t size, room = 0;
    uint8_t *data = read_file(path, &size);
    for (size_t at = 0; at + 4 <= size;) {
        uint32_t length;
        memcpy(&length, data + at, 4);
        at += 4;
        if (length > size - at) { fprintf(stderr, "mailload: %s is not a file of requests\n", path); exit(1); }
        requests = grown(requests, request_count, &room, sizeof *requests);
        requests[request_count++] = (Request){data + at, length};
        at += length;
    }
    if (!request_count) { fprintf(stderr, "mailload: %s holds no request\n", path); exit(1); }
}

static int protocol(const char *name) {
    if (strcmp(name, "policy") && strcmp(name, "socketmap")) {
        fprintf(stderr, "mailload: policy or socketmap, not %s\n", name);
        exit(2);
    }
    return !strcmp(name, "policy");
}

/* Where the words of a whole answer begin, or NULL when more octets are wanted. */
static const char *whole(const Slot *slot) {
    if (is_policy) {
        int ends = slot->have >= 2 && !memcmp(slot->answer + slot->have - 2, "\n\n", 2);
        return ends ? slot->answer : NULL;
    }
    const char *colon = memchr(slot->answer, ':', slot->have);
    if (!colon) return NULL;
    size_t size = strtoul(slot->answer, NULL, 10);
    return slot->have == (size_t)(colon - slot->answer) + 1 + size + 1 ? colon + 1 : NULL;
}

static void note_word(const char *answer) {
    char text[WORD] = "";
    for (size_t size = 0; size < WORD - 1 && answer[size] > ' ' && answer[size] != '"'; size++) text[size] = answer[size];
    for (int i = 0; i < WORDS; i++) {
        if (!words[i].count) strcpy(words[i].text, text);
        if (!strcmp(words[i].text, text)) { words[i].count++; return; }
    }
}

static void open_slots(const struct sockaddr_in *server) {
    for (int i = 0; i < slot_count; i++) {
        int on = 1;
        slots[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (slots[i].fd < 0) fail("socket");
        setsockopt(slots[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (connect(slots[i].fd, (const struct sockaddr *)server, sizeof *server)) fail("connect");
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, slots[i].fd, &event)) fail("epoll_ctl");
        idle[i] = i;
    }
    idle_count = slot_count;
}

static void ask(double due) {
    int number = idle[idle_first];
    idle_first = (idle_first + 1) % slot_count;
    idle_count--;
    Slot *slot = &slots[number];
    const Request *request = &requests[next_request++ % request_count];
    slot->busy = 1;
    slot->due = due;
    slot->have = 0;
    if (send(slot->fd, request->start, request->size, MSG_NOSIGNAL) != (ssize_t)request->size) fail("send");
}

static void on_answer(int number, double deadline) {
    Slot *slot = &slots[number];
    ssize_t got = recv(slot->fd, slot->answer + slot->have, ANSWER - slot->have, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0 || !slot->busy) { fprintf(stderr, "mailload: the server closed or spoke unasked\n"); exit(1); }
    slot->have += got;
    const char *answer = whole(slot);
    if (!answer) {
        if (slot->have == ANSWER) { fprintf(stderr, "mailload: an answer that does not end\n"); exit(1); }
        return;
    }
    double time = now();
    note_word(answer);
    note_latency(time - slot->due);
    if (time < deadline) done++;
    slot->busy = 0;
    idle[(idle_first + idle_count++) % slot_count] = number;
}

/* Asks until the end; what is due and was never asked is a latency as well. */
static void run(double seconds, double rate) {
    double began = now(), deadline = began + seconds;
    size_t asked = 0;
    for (;;) {
        double time = now(), wait = NAP;
        if (time < deadline) {
            if (!rate) while (idle_count) ask(time);
            while (rate && idle_count && began + asked / rate <= time) ask(began + asked++ / rate);
            double next = began + asked / rate - time;
            if (rate && idle_count && next < wait) wait = next > 0 ? next : 0;
        } else if (idle_count == slot_count || time > deadline + GRACE) break;
        struct epoll_event events[EVENTS];
        struct timespec nap = {0, (long)(wait * 1e9)};
        int ready = epoll_pwait2(epoll_fd, events, EVENTS, &nap, NULL);
        for (int i = 0; i < ready; i++) on_answer(events[i].data.u32, deadline);
    }
    for (; rate && asked < seconds * rate; asked++) note_latency(now() - began - asked / rate);
    for (int i = 0; i < slot_count; i++)
        if (slots[i].busy) note_latency(now() - slots[i].due);
}

/* Answers every packet with the same word, doing nothing: what is measured then is the generator. */
static void null_server(int port) {
    const char *answer = is_policy ? "action=DUNNO\n\n" : "9:NOTFOUND ,";
    static char buffer[65536];
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1, epoll = epoll_create1(0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 1024)) fail("bind");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                event.data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                setsockopt(event.data.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
            } else if (recv(fd, buffer, sizeof buffer, 0) <= 0 || send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0)
                close(fd);
        }
    }
}

int main(int count, char **arguments) {
    if (count == 4 && !strcmp(arguments[1], "--null")) {
        is_policy = protocol(arguments[3]);
        null_server(atoi(arguments[2]));
    }
    if (count < 7) {
        fprintf(stderr, "mailload HOST PORT policy|socketmap REQUESTS CONNECTIONS SECONDS [RATE [START]]\n");
        return 2;
    }
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[2]))};
    if (inet_pton(AF_INET, arguments[1], &server.sin_addr) != 1) {
        fprintf(stderr, "mailload: HOST is an IPv4 address\n");
        return 2;
    }
    is_policy = protocol(arguments[3]);
    load(arguments[4]);
    slot_count = atoi(arguments[5]);
    if (slot_count < 1 || slot_count > CONNECTIONS_MAX) {
        fprintf(stderr, "mailload: from 1 to %d CONNECTIONS\n", CONNECTIONS_MAX);
        return 2;
    }
    double seconds = atof(arguments[6]), rate = count > 7 ? atof(arguments[7]) : 0;
    next_request = count > 8 ? strtoul(arguments[8], NULL, 10) : 0;
    epoll_fd = epoll_create1(0);
    open_slots(&server);
    run(seconds, rate);
    printf("{\"seconds\": %.4f, \"requests\": %zu, \"unanswered\": %d, ", seconds, done, slot_count - idle_count);
    tell_latencies();
    printf(", \"answers\": {");
    for (int i = 0; i < WORDS && words[i].count; i++)
        printf("%s\"%s\": %zu", i ? ", " : "", words[i].text, words[i].count);
    puts("}}");
    return 0;
}
