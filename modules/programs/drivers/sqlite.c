/* sqlite.c: a database of many rows on a file.
 *
 * "create FILE ROWS" makes and fills it, builds indices, changes and deletes rows. "query FILE"
 * opens it again and asks questions whose answers depend on every row. Everything that is printed
 * follows from the arguments.
 */
#include "sqlite3.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sqlite3 *db;

static void stop(const char *what)
{
    printf("sqlite: %s: %s\n", what, sqlite3_errmsg(db));
    exit(1);
}

static void execute(const char *sql)
{
    if (sqlite3_exec(db, sql, 0, 0, 0) != SQLITE_OK)
        stop(sql);
}

/* Prints a query and its rows. */
static void ask(const char *sql)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, 0) != SQLITE_OK)
        stop(sql);
    printf("%s\n", sql);
    int step;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(statement); i++) {
            const unsigned char *text = sqlite3_column_text(statement, i);
            printf("%s%s", i ? " | " : "  ", text ? (const char *)text : "null");
        }
        putchar('\n');
    }
    if (step != SQLITE_DONE)
        stop(sql);
    sqlite3_finalize(statement);
}

static void fill(int rows)
{
    static const char *const towns[] = {"Ulm", "Bonn", "Kiel", "Jena", "Trier", "Fulda", "Celle"};
    sqlite3_stmt *insert;
    execute("begin");
    if (sqlite3_prepare_v2(db, "insert into person values (?, ?, ?, ?, ?)", -1, &insert, 0))
        stop("insert");
    unsigned seed = 12345;
    for (int i = 1; i <= rows; i++) {
        char name[32];
        seed = seed * 1664525u + 1013904223u;
        snprintf(name, sizeof name, "person %06u", seed >> 12);
        sqlite3_bind_int(insert, 1, i);
        sqlite3_bind_text(insert, 2, name, -1, SQLITE_TRANSIENT);
        sqlite3_bind_text(insert, 3, towns[(seed >> 16) % 7], -1, SQLITE_STATIC);
        sqlite3_bind_int(insert, 4, (int)(seed >> 20) % 100);
        sqlite3_bind_double(insert, 5, (double)(seed >> 4) / 1024);
        if (sqlite3_step(insert) != SQLITE_DONE)
            stop("insert");
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    execute("commit");
}

static void create(int rows)
{
    execute("create table person (id integer primary key, name text, town text, age int, credit real)");
    execute("create table town (name text primary key, people int) without rowid");
    fill(rows);
    execute("create index by_name on person (name)");
    execute("create index by_town on person (town, age)");
    execute("insert into town select town, count(*) from person group by town");
    execute("update person set credit = credit * 2 where age between 30 and 39");
    execute("delete from person where id % 10 = 7");
    ask("select changes(), total_changes()");
}

static void query(void)
{
    ask("pragma integrity_check");
    ask("select count(*), sum(id), sum(age), round(sum(credit), 3) from person");
    ask("select * from town order by name");
    ask("select town, age, count(*), round(avg(credit), 6) from person where age < 3 group by town, age");
    ask("select id, name, credit from person where name like 'person 0099%' order by name, id limit 20");
    ask("select p.town, max(p.credit), t.people from person p join town t on t.name = p.town "
        "group by p.town order by 2 desc");
    ask("with recursive n(i) as (select 1 union all select i + 1 from n where i < 20) "
        "select i, (select name from person where id = i * 37) from n");
    ask("select upper(substr(name, 1, 6)), length(group_concat(id)), "
        "printf('%08.3f|%-6s|%+d', avg(age), min(town), count(distinct town)) from person");
    ask("select name, age, row_number() over (partition by town order by credit desc) as place "
        "from person where id < 40 order by town, place");
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    int making = strcmp(argv[1], "create") == 0;
    if (making)
        remove(argv[2]);
    if (sqlite3_open(argv[2], &db) != SQLITE_OK)
        stop("open");
    printf("sqlite %s\n", sqlite3_libversion());
    if (making)
        create(argc > 3 ? atoi(argv[3]) : 100000);
    else
        query();
    if (sqlite3_close(db) != SQLITE_OK)
        stop("close");
    return 0;
}
