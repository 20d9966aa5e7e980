/* What a program must not reach. */
#include <bareflow.h>

#define S(text) text, sizeof text - 1
#define READ BF_OPEN_READ

int escape(void)
{
    struct bf_stat stat;
    if (bf_open(S("file"), READ) < 0 || bf_open(S("fine"), READ) < 0)
        return 1;
    if (bf_open(S("../secret"), READ) != -BF_EACCES || bf_open(S("/../secret"), READ) != -BF_EACCES)
        return 2;
    if (bf_open(S("relative"), READ) != -BF_EACCES || bf_open(S("absolute"), READ) != -BF_EACCES)
        return 3;
    if (bf_open(S("up/secret"), READ) != -BF_EACCES || bf_stat(S("up/secret"), &stat) != -BF_EACCES)
        return 4;
    if (bf_remove(S("up/secret")) != -BF_EACCES || bf_rename(S("file"), S("up/x")) != -BF_EACCES)
        return 5;
    if (bf_mkdir(S("up/x")) != -BF_EACCES || bf_open(S("/etc/passwd"), READ) != -BF_ENOENT)
        return 6;
    if (bf_open(S("absolute"), BF_OPEN_WRITE | BF_OPEN_TRUNCATE) != -BF_EACCES)
        return 7;
    if (bf_open(S("pipe"), READ) != -BF_EACCES || bf_open(S("pipe"), BF_OPEN_WRITE) != -BF_EACCES)
        return 8;
    return 0;
}

int grants(void)
{
    char name[8];
    struct bf_stat stat;
    if (bf_mkdir(S("/out/made")) || bf_stat(S("out/made"), &stat) || stat.kind != BF_KIND_DIRECTORY)
        return 1;
    if (bf_rename(S("out/made"), S("in/made")) != -BF_EXDEV)
        return 2;
    if (bf_open(S("made"), READ) != -BF_ENOENT || bf_mkdir(S("/new")) != -BF_ENOENT)
        return 3;
    int root = bf_open(S("/"), BF_OPEN_DIRECTORY);
    if (bf_list(root, name, 8) != 2 || bf_list(root, name, 8) != 3 || bf_list(root, name, 8) != 0)
        return 4;
    if (bf_remove(S("in")) != -BF_EPERM)
        return 5;
    return 0;
}

int nothing(void)
{
    struct bf_stat stat;
    if (bf_open(S("/"), BF_OPEN_DIRECTORY) != -BF_EACCES || bf_stat(S("."), &stat) != -BF_EACCES)
        return 1;
    if (bf_mkdir(S("x")) != -BF_EACCES || bf_open(S("/etc/passwd"), READ) != -BF_EACCES)
        return 2;
    return 0;
}
