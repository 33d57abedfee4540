/* Sends standard input as one message over a program's socket of the Camward agent (docs/link-socket.md).
 *
 * camward-publish SOCKET TOPIC; exit status 0: taken, 1: not taken (the agent's answer is on standard error), 2: wrong
 * usage, or a message that is too long. Build: cc -std=c11 -O2 -Wall -Wextra -Werror -o camward-publish camward_publish.c
 */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGE_BYTES 16384 /* the most that any program may declare */
#define LINE_BYTES (MESSAGE_BYTES / 3 * 4 + 512)

static unsigned char message[MESSAGE_BYTES + 3]; /* what is behind the end is zero */
static char line[LINE_BYTES + 1];

static int plain(const char *topic) { /* nothing that would need an escape in JSON */
    return *topic && strspn(topic, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == strlen(topic)
        && strlen(topic) <= 32;
}

static char *base64(char *out, const unsigned char *in, size_t length) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < length; at += 3) {
        unsigned three = (unsigned)in[at] << 16 | (unsigned)in[at + 1] << 8 | in[at + 2];
        *out++ = letters[three >> 18], *out++ = letters[three >> 12 & 63];
        *out++ = at + 1 < length ? letters[three >> 6 & 63] : '=';
        *out++ = at + 2 < length ? letters[three & 63] : '=';
    }
    return out;
}

int main(int argc, char **argv) {
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 30}; /* what is kept is answered when it is on the flash, a refusal later */
    size_t length = fread(message, 1, MESSAGE_BYTES + 1, stdin), used, sent = 0, got = 0;
    int agent = socket(AF_UNIX, SOCK_STREAM, 0), taken = 0;
    ssize_t more;

    if (argc != 3 || strlen(argv[1]) >= sizeof where.sun_path || !plain(argv[2]) || length > MESSAGE_BYTES) return 2;
    strcpy(where.sun_path, argv[1]);
    used = (size_t)sprintf(line, "{\"v\":1,\"n\":1,\"op\":\"publish\",\"topic\":\"%s\",\"data\":\"", argv[2]);
    strcpy(base64(line + used, message, length), "\"}\n");
    used = strlen(line);
    setsockopt(agent, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(agent, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (agent >= 0 && !connect(agent, (struct sockaddr *)&where, sizeof where)) {
        for (; sent < used; sent += (size_t)more)
            if ((more = send(agent, line + sent, used - sent, MSG_NOSIGNAL)) <= 0) break;
        memset(line, 0, sizeof line);
        for (; sent == used && got < LINE_BYTES && !memchr(line, '\n', got); got += (size_t)more)
            if ((more = read(agent, line + got, LINE_BYTES - got)) <= 0) break;
        taken = memchr(line, '\n', got) && strstr(line, "\"ok\":true");
    }
    if (!taken) fprintf(stderr, "camward-publish: not taken: %s", got ? line : "no answer\n");
    return !taken;
}
