/* c-files.c: streams, descriptors and directories. Works in the current directory and leaves it as it was. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Libraries number and describe errors differently; the names are POSIX's. */
static const char *name_of(int number)
{
    switch (number) {
    case ENOENT:
        return " ENOENT";
    case EBADF:
        return " EBADF";
    case EEXIST:
        return " EEXIST";
    case EISDIR:
        return " EISDIR";
    case EINVAL:
        return " EINVAL";
    case ENOTEMPTY:
        return " ENOTEMPTY";
    default:
        return " another error";
    }
}

static void say(const char *what, int result)
{
    printf("%s: %d%s\n", what, result, result < 0 ? name_of(errno) : "");
}

static void streams(void)
{
    FILE *file = fopen("stream.txt", "w+");
    if (!file) {
        perror("stream.txt");
        exit(1);
    }
    for (int i = 0; i < 2000; i++)
        fprintf(file, "line %d %g\n", i, i / 8.0);
    printf("at %ld\n", ftell(file));
    rewind(file);
    char line[64];
    int number, lines = 0, sum = 0;
    double value;
    while (fgets(line, sizeof line, file)) {
        lines++;
        sum += sscanf(line, "line %d %lf", &number, &value) == 2 && value * 8 == number;
    }
    printf("%d lines, %d right, end %d\n", lines, sum, feof(file) != 0);
    fseek(file, 100, SEEK_SET);
    printf("%c", fgetc(file));
    ungetc('U', file);
    printf("%c%c %ld\n", fgetc(file), fgetc(file), ftell(file));
    fseek(file, -20, SEEK_END);
    size_t got = fread(line, 1, sizeof line - 1, file);
    line[got] = 0;
    printf("%zu %s", got, strchr(line, '\n') + 1);
    fseek(file, 5, SEEK_SET);
    fputs("#####", file);
    fclose(file);
    file = fopen("stream.txt", "a");
    fputs("the end\n", file);
    fclose(file);
    file = fopen("stream.txt", "rb");
    setvbuf(file, 0, _IONBF, 0);
    char head[12] = {0};
    fread(head, 1, 11, file);
    fseek(file, -8, SEEK_END);
    fgets(line, sizeof line, file);
    printf("%.4s %s %s", head, head + 5, line);
    fclose(file);
    struct stat found;
    say("stat", stat("stream.txt", &found));
    printf("%ld %d\n", (long)found.st_size, S_ISREG(found.st_mode));
    say("rename", rename("stream.txt", "renamed.txt"));
    say("open old", open("stream.txt", O_RDONLY));
    say("remove", remove("renamed.txt"));
    say("remove again", remove("renamed.txt"));
}

static void descriptors(void)
{
    int fd = open("raw.bin", O_RDWR | O_CREAT | O_EXCL, 0666);
    say("create", fd < 0 ? fd : 0);
    say("exclusive", open("raw.bin", O_RDWR | O_CREAT | O_EXCL, 0666));
    char data[1000];
    for (int i = 0; i < 1000; i++)
        data[i] = (char)i;
    say("write", (int)write(fd, data, 1000));
    say("seek", (int)lseek(fd, 5000, SEEK_SET));
    say("write past the end", (int)write(fd, "x", 1));
    say("back", (int)lseek(fd, -2, SEEK_CUR));
    say("read", (int)read(fd, data, 10));
    printf("%d %d\n", data[0], data[1]);
    say("pread", (int)pread(fd, data, 4, 254));
    printf("%d %d %d %d\n", data[0], data[1], data[2], data[3]);
    say("truncate", ftruncate(fd, 300));
    say("end", (int)lseek(fd, 0, SEEK_END));
    struct stat found;
    say("fstat", fstat(fd, &found));
    printf("%ld %d\n", (long)found.st_size, isatty(fd));
    say("sync", fsync(fd));
    say("negative", (int)lseek(fd, -1, SEEK_SET));
    say("close", close(fd));
    say("close again", close(fd));
    say("read only", fd = open("raw.bin", O_RDONLY) < 0);
    say("unlink", unlink("raw.bin"));
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

static void directories(void)
{
    say("mkdir", mkdir("folder", 0777));
    say("mkdir again", mkdir("folder", 0777));
    for (int i = 0; i < 20; i++) {
        char name[32];
        snprintf(name, sizeof name, "folder/a file %d.txt", i);
        FILE *file = fopen(name, "w");
        fputc('x', file);
        fclose(file);
    }
    char names[32][32];
    int count = 0;
    DIR *folder = opendir("folder");
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            snprintf(names[count++], sizeof *names, "%s", entry->d_name);
    closedir(folder);
    qsort(names, (size_t)count, sizeof *names, by_name);
    printf("%d: %s … %s\n", count, names[0], names[count - 1]);
    say("rmdir full", rmdir("folder"));
    struct stat found;
    say("stat", stat("folder", &found));
    printf("%d\n", S_ISDIR(found.st_mode));
    say("open for writing", open("folder", O_WRONLY));
    for (int i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "folder/%s", names[i]);
        if (unlink(name))
            perror(name);
    }
    say("rmdir", rmdir("folder"));
    printf("%d\n", opendir("folder") == 0);
    say("no such folder", open("nowhere/file", O_RDWR | O_CREAT, 0666));
}

/* Many streams and a large file in small steps. */
static void many(void)
{
    FILE *files[12];
    for (int i = 0; i < 12; i++) {
        char name[16];
        snprintf(name, sizeof name, "many%d", i);
        files[i] = fopen(name, "w+");
    }
    for (int round = 0; round < 3000; round++)
        fprintf(files[round % 12], "%d,", round);
    long total = 0;
    for (int i = 0; i < 12; i++) {
        char name[16];
        snprintf(name, sizeof name, "many%d", i);
        total += ftell(files[i]);
        fclose(files[i]);
        remove(name);
    }
    printf("many %ld\n", total);
}

int main(void)
{
    streams();
    descriptors();
    directories();
    many();
    return 0;
}
