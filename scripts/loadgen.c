/* A closed-loop LDAP load generator, light enough to share the machine with the server that it measures.
 *
 *   loadgen HOST PORT VISITS CONNECTIONS SECONDS [START [FIRST]]     one line of JSON on standard output
 *   loadgen --null PORT ENTRIES SIZE                         a server that only answers: the generator's own ceiling
 *
 * A visit is what a client does at one time: one message (a search on a connection that is open already) or several
 * (bind, then search), each sent when the one before is answered. VISITS holds, for each visit,
 *   u32 length (little endian) | u8 flags | 3 zero octets | LDAPMessages
 * flag 1: the visit has a connection of its own, opened for it and closed after it (unbind first), as Thunderbird and
 * Roundcube do. Every slot keeps one open connection besides, for the other visits, and has one visit in flight. FIRST
 * is a file of one LDAPMessage that is said on each of these, a bind, and answered with success before anything counts.
 *
 * Answers are not kept: of each message only the header, the operation and the result code are read, the rest is
 * skipped, so a hundred entries cost little more than one. After SECONDS nothing new is sent, and what is in flight is
 * waited for (GRACE): throughput counts what ended in time, latencies count all, or a slow server would look quicker.
 * Trap: only definite lengths, as RFC 4511 5.1 demands.
 */
#define _GNU_SOURCE
#include "latencies.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OWN_CONNECTION = 1,   /* visit flag */
    BUFFER = 256 * 1024,  /* what one read may bring; one for all, so it stays in the cache */
    HEADER = 32,          /* enough for a message's header, its id, the operation's header and the result code */
    EVENTS = 128,
    FAILURES_MAX = 1000,  /* then the measure is worth nothing */
};
static const double GRACE = 10.0;

enum { SEARCH_ENTRY = 0x64, SEARCH_REFERENCE = 0x73, INTERMEDIATE = 0x79 };

typedef struct { const uint8_t *start; uint32_t size; } Message;
typedef struct { size_t first; uint16_t count; uint8_t flags; } Visit;

typedef struct {
    int fd;
    size_t skip;       /* octets of the current message still to come, of no interest */
    uint8_t carry[HEADER];
    size_t carried;    /* the start of a message whose header is not complete */
} Stream;

typedef struct {
    Stream open, own;  /* the connection that stays, and the one of this visit alone */
    Stream *current;
    const Visit *visit;
    unsigned sent;     /* messages of the visit sent so far */
    size_t entries;
    double began;
    int connecting, busy;
} Slot;

static Message *messages;
static Visit *visits;
static size_t message_count, visit_count, next_visit;
static Slot *slots;
static int slot_count, epoll_fd;
static struct sockaddr_in server;
static uint8_t buffer[BUFFER];
static uint8_t *first_said;
static size_t first_size;

static size_t done, entries_total, octets_total, codes[256], failures, connects;
static double deadline;
static int in_flight;

/* Octets of a whole BER element starting at p, or 0 when its header is not all there. */
static size_t element(const uint8_t *p, size_t room, size_t *header) {
    if (room < 2) return 0;
    size_t length = p[1];
    *header = 2;
    if (length & 0x80) {
        unsigned octets = length & 0x7f;
        if (octets == 0 || octets > 4) { fprintf(stderr, "loadgen: a length that LDAP does not allow\n"); exit(1); }
        if (room < 2 + octets) return 0;
        length = 0;
        for (unsigned i = 0; i < octets; i++) length = length << 8 | p[2 + i];
        *header = 2 + octets;
    }
    return *header + length;
}

static void load(const char *path) {
    size_t size, visit_room = 0, message_room = 0;
    uint8_t *data = read_file(path, &size);
    for (size_t at = 0; at + 8 <= size;) {
        uint32_t length;
        memcpy(&length, data + at, 4);
        visits = grown(visits, visit_count, &visit_room, sizeof *visits);
        Visit visit = {message_count, 0, data[at + 4]};
        at += 8;
        for (size_t end = at + length; at < end;) {
            size_t header, whole = element(data + at, end - at, &header);
            if (!whole) { fprintf(stderr, "loadgen: %s is not a file of visits\n", path); exit(1); }
            messages = grown(messages, message_count, &message_room, sizeof *messages);
            messages[message_count++] = (Message){data + at, (uint32_t)whole};
            visit.count++;
            at += whole;
        }
        visits[visit_count++] = visit;
    }
    if (!visit_count) { fprintf(stderr, "loadgen: %s holds no visit\n", path); exit(1); }
}

static void send_all(int fd, const uint8_t *data, size_t size) {
    while (size) {
        ssize_t written = send(fd, data, size, MSG_NOSIGNAL);
        if (written < 0) {
            if (errno != EAGAIN) return; /* the read that follows will say that the connection is gone */
            struct pollfd wait = {fd, POLLOUT, 0};
            poll(&wait, 1, 100);
            continue;
        }
        data += written;
        size -= written;
    }
}

static void watch(Slot *slot, Stream *stream, int operation, uint32_t events) {
    struct epoll_event event = {.events = events};
    event.data.u64 = (uint64_t)(slot - slots) << 1 | (stream == &slot->own);
    if (epoll_ctl(epoll_fd, operation, stream->fd, &event)) fail("epoll_ctl");
}

static size_t read_header(const uint8_t *p, size_t room, uint8_t *operation, uint8_t *code);

/* What every connection that stays begins with. */
static void say_first(int fd) {
    size_t had = 0, whole = 0;
    uint8_t operation, code = 0;
    if (!first_said) return;
    send_all(fd, first_said, first_size);
    while (!whole || had < whole) {
        ssize_t got = recv(fd, buffer + had, BUFFER - had, 0);
        if (got <= 0) { fprintf(stderr, "loadgen: the server closes the connection instead of a first answer\n"); exit(1); }
        had += got;
        whole = read_header(buffer, had, &operation, &code);
    }
    if (code) { fprintf(stderr, "loadgen: the first message is answered with code %d\n", code); exit(1); }
}

/* Opens without waiting; 1 when the connection is there at once. */
static int open_stream(Slot *slot, Stream *stream, int wait) {
    int on = 1;
    stream->fd = socket(AF_INET, SOCK_STREAM | (wait ? 0 : SOCK_NONBLOCK), 0);
    stream->skip = stream->carried = 0;
    connects++;
    if (stream->fd < 0) fail("socket");
    setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(stream->fd, (struct sockaddr *)&server, sizeof server) == 0) {
        if (wait) say_first(stream->fd);
        watch(slot, stream, EPOLL_CTL_ADD, EPOLLIN);
        return 1;
    }
    if (errno != EINPROGRESS) fail("connect");
    watch(slot, stream, EPOLL_CTL_ADD, EPOLLOUT);
    return 0;
}

static void send_next(Slot *slot) {
    const Message *message = &messages[slot->visit->first + slot->sent++];
    send_all(slot->current->fd, message->start, message->size);
}

static void begin_visit(Slot *slot) {
    slot->began = now();
    if (slot->began >= deadline) return;
    slot->visit = &visits[next_visit++ % visit_count];
    slot->sent = 0;
    slot->entries = 0;
    slot->busy = 1;
    in_flight++;
    slot->current = slot->visit->flags & OWN_CONNECTION ? &slot->own : &slot->open;
    slot->connecting = slot->current == &slot->own && !open_stream(slot, &slot->own, 0);
    if (!slot->connecting) send_next(slot);
}

static void close_own(Slot *slot) {
    static const uint8_t unbind[] = {0x30, 5, 2, 1, 127, 0x42, 0};
    if (slot->current != &slot->own) return;
    send_all(slot->own.fd, unbind, sizeof unbind);
    close(slot->own.fd);
    slot->own.fd = -1;
}

/* The connection broke: the visit is lost, the slot goes on with another. */
static void broken(Slot *slot, Stream *stream) {
    if (++failures > FAILURES_MAX) { fprintf(stderr, "loadgen: the server closes connections\n"); exit(1); }
    close(stream->fd);
    stream->fd = -1;
    int was_current = stream == slot->current && slot->busy;
    if (stream == &slot->open) open_stream(slot, stream, 1);
    if (was_current) {
        slot->busy = 0;
        in_flight--;
        begin_visit(slot);
    }
}

/* A response other than an entry: the next message of the visit, or its end. */
static void answered(Slot *slot, uint8_t code) {
    if (slot->sent < slot->visit->count && code == 0) { send_next(slot); return; }
    double time = now();
    note_latency(time - slot->began);
    codes[code]++;
    if (time < deadline) {
        done++;
        entries_total += slot->entries;
    }
    slot->busy = 0;
    in_flight--;
    close_own(slot);
    begin_visit(slot);
}

/* Reads the header at p; 0 when more octets are wanted, else the size of the message, its operation and its code. */
static size_t read_header(const uint8_t *p, size_t room, uint8_t *operation, uint8_t *code) {
    size_t header, inner, whole = element(p, room, &header);
    if (!whole) return 0;
    size_t at = header, end = whole < room ? whole : room;
    if (p[0] != 0x30) { fprintf(stderr, "loadgen: not an LDAP message\n"); exit(1); }
    if (at + 2 > end) return 0;
    at += 2 + p[at + 1];
    if (at >= end) return 0;
    *operation = p[at];
    if (*operation == SEARCH_ENTRY || *operation == SEARCH_REFERENCE || *operation == INTERMEDIATE) return whole;
    if (!element(p + at, end - at, &inner)) return 0;
    at += inner;
    if (at + 3 > end) return 0;
    *code = p[at + 2];
    return whole;
}

static void feed(Slot *slot, Stream *stream, const uint8_t *data, size_t size) {
    while (size) {
        if (stream->skip) {
            size_t step = stream->skip < size ? stream->skip : size;
            stream->skip -= step;
            data += step;
            size -= step;
            continue;
        }
        size_t before = stream->carried, whole;
        uint8_t operation = 0, code = 0;
        if (before) {
            size_t taken = size < HEADER - before ? size : HEADER - before;
            memcpy(stream->carry + before, data, taken);
            whole = read_header(stream->carry, before + taken, &operation, &code);
            if (!whole) { stream->carried += taken; return; }
        } else {
            whole = read_header(data, size, &operation, &code);
            if (!whole) { memcpy(stream->carry, data, size); stream->carried = size; return; }
        }
        size_t rest = whole - before, step = rest < size ? rest : size;
        stream->carried = 0;
        stream->skip = rest - step;
        data += step;
        size -= step;
        if (operation == SEARCH_ENTRY) { slot->entries++; continue; }
        if (operation == SEARCH_REFERENCE || operation == INTERMEDIATE) continue;
        if (stream != slot->current || !slot->busy) { fprintf(stderr, "loadgen: an answer not asked for\n"); exit(1); }
        answered(slot, code);
        if (stream == &slot->own) return; /* closed, perhaps open anew: what is left of data is not the new one's */
    }
}

static void on_event(struct epoll_event *event) {
    Slot *slot = &slots[event->data.u64 >> 1];
    Stream *stream = event->data.u64 & 1 ? &slot->own : &slot->open;
    if (stream->fd < 0) return; /* closed by an earlier event of the same turn */
    if (slot->connecting && stream == &slot->own) {
        int error = 0;
        socklen_t length = sizeof error;
        getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error) { broken(slot, stream); return; }
        slot->connecting = 0;
        watch(slot, stream, EPOLL_CTL_MOD, EPOLLIN);
        send_next(slot);
        return;
    }
    ssize_t got = recv(stream->fd, buffer, BUFFER, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) { broken(slot, stream); return; }
    octets_total += got;
    feed(slot, stream, buffer, got);
}

static void report(double seconds, size_t unanswered) {
    printf("{\"seconds\": %.4f, \"requests\": %zu, \"entries\": %zu, \"octets\": %zu, \"connects\": %zu, "
           "\"failures\": %zu, \"unanswered\": %zu, ",
           seconds, done, entries_total, octets_total, connects, failures, unanswered);
    tell_latencies();
    printf(", \"codes\": {");
    const char *comma = "";
    for (int i = 0; i < 256; i++)
        if (codes[i]) { printf("%s\"%d\": %zu", comma, i, codes[i]); comma = ", "; }
    puts("}}");
}

/* Answers every message with the same entries and success, doing nothing: what is measured then is the generator. */
static void null_server(int port, int entry_count, int entry_size) {
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1, epoll = epoll_create1(0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 1024)) fail("bind");
    size_t whole = 4 + entry_size, size = whole * entry_count + 14;
    uint8_t *answer = calloc(1, size);
    for (int i = 0; i < entry_count; i++) {
        uint8_t head[] = {0x30, 0x82, entry_size >> 8, entry_size & 255, 2, 1, 2, SEARCH_ENTRY};
        memcpy(answer + whole * i, head, sizeof head);
    }
    memcpy(answer + size - 14, "\x30\x0c\x02\x01\x02\x65\x07\x0a\x01\x00\x04\x00\x04\x00", 14);
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
                continue;
            }
            ssize_t got = recv(fd, buffer, BUFFER, 0);
            if (got <= 0) close(fd);
            else send_all(fd, answer, size);
        }
    }
}

int main(int count, char **arguments) {
    if (count == 5 && !strcmp(arguments[1], "--null"))
        null_server(atoi(arguments[2]), atoi(arguments[3]), atoi(arguments[4]));
    if (count < 6) {
        fprintf(stderr, "loadgen HOST PORT VISITS CONNECTIONS SECONDS [START [FIRST]]\n");
        return 2;
    }
    server.sin_family = AF_INET;
    server.sin_port = htons(atoi(arguments[2]));
    if (inet_pton(AF_INET, arguments[1], &server.sin_addr) != 1) { fprintf(stderr, "loadgen: HOST is an IPv4 address\n"); return 2; }
    load(arguments[3]);
    slot_count = atoi(arguments[4]);
    double seconds = atof(arguments[5]);
    next_visit = count > 6 ? strtoul(arguments[6], NULL, 10) : 0;
    if (count > 7) first_said = read_file(arguments[7], &first_size);
    slots = calloc(slot_count, sizeof *slots);
    epoll_fd = epoll_create1(0);
    for (int i = 0; i < slot_count; i++) {
        slots[i].own.fd = -1;
        open_stream(&slots[i], &slots[i].open, 1);
    }
    double began = now();
    deadline = began + seconds;
    for (int i = 0; i < slot_count; i++) begin_visit(&slots[i]);
    struct epoll_event events[EVENTS];
    for (;;) {
        double time = now();
        if ((time >= deadline && !in_flight) || time >= deadline + GRACE) break;
        int ready = epoll_wait(epoll_fd, events, EVENTS, 100);
        for (int i = 0; i < ready; i++) on_event(&events[i]);
    }
    size_t unanswered = in_flight;
    for (int i = 0; i < slot_count; i++)
        if (slots[i].busy) note_latency(now() - slots[i].began);
    report(seconds, unanswered);
    return 0;
}
