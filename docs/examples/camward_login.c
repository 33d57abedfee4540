/* Asks the Camward agent whether a user may log in (docs/login-socket.md); exit status 0 means yes.
 *
 * As a PAM module: auth required pam_exec.so expose_authtok quiet /usr/lib/camward/camward-login SOCKET
 * Elsewhere: PAM_USER and PAM_RHOST in the environment, the password on standard input, without a line feed.
 * Whatever goes wrong means no, and so does a user called like one of the system's own accounts (root). Build: cc -std=c11 -O2 -Wall -Wextra -Werror -o camward-login camward_login.c
 */
#define _DEFAULT_SOURCE /* explicit_bzero */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_BYTES 4096 /* the agent's limit, with the line feed */
#define FIRST_UID 1000  /* below are the system's own accounts; the camera's users are others, whatever they are called */
static char line[LINE_BYTES + 1], password[1025];
static size_t used;

static void put(const char *text) { /* what does not fit makes the line too long, which is refused below */
    for (; *text && used < LINE_BYTES; text++) line[used++] = *text;
}

static void put_string(const char *text) { /* UTF-8, as JSON */
    char escaped[7] = "";
    put("\"");
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20 || byte == '"' || byte == '\\') snprintf(escaped, sizeof escaped, "\\u%04x", byte);
        else escaped[0] = *text, escaped[1] = 0;
        put(escaped);
    }
    put("\"");
}

int main(int argc, char **argv) {
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 30}; /* a slow camera hashes for a second, and others may be waiting */
    const char *user = getenv("PAM_USER"), *source = getenv("PAM_RHOST");
    size_t length = fread(password, 1, sizeof password, stdin), sent, got = 0;
    int agent = socket(AF_UNIX, SOCK_STREAM, 0), yes = 0;
    struct passwd *known;

    if (argc != 2 || strlen(argv[1]) >= sizeof where.sun_path || !user || length == sizeof password) return 2;
    if ((known = getpwnam(user)) && known->pw_uid < FIRST_UID) return 1;
    strcpy(where.sun_path, argv[1]);
    password[length] = 0;
    put("{\"v\":1,\"op\":\"login\",\"source\":"), put_string(source && *source ? source : "console");
    put(",\"user\":"), put_string(user), put(",\"password\":"), put_string(password), put("}\n");
    setsockopt(agent, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(agent, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience); /* connect waits by it, too */
    if (agent >= 0 && used < LINE_BYTES && !connect(agent, (struct sockaddr *)&where, sizeof where)) {
        sent = (size_t)send(agent, line, used, MSG_NOSIGNAL);
        explicit_bzero(line, sizeof line);
        for (ssize_t more; sent == used && got < LINE_BYTES && !memchr(line, '\n', got); got += (size_t)more)
            if ((more = read(agent, line + got, LINE_BYTES - got)) <= 0) break;
        /* A text inside the reply cannot look like this: its quotes are escaped. */
        yes = memchr(line, '\n', got) && strstr(line, "\"ok\":true");
    }
    explicit_bzero(password, sizeof password), explicit_bzero(line, sizeof line);
    return !yes;
}
