/* lua.c: runs Lua scripts, each in a state of its own; the words after "--" are their arguments. */
#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"
#include <stdio.h>
#include <string.h>

static int run(const char *script, int words, char **word)
{
    lua_State *state = luaL_newstate();
    if (!state)
        return 3;
    luaL_openlibs(state);
    lua_createtable(state, words, 0);
    for (int i = 0; i < words; i++) {
        lua_pushstring(state, word[i]);
        lua_rawseti(state, -2, i + 1);
    }
    lua_setglobal(state, "arg");
    int result = luaL_dofile(state, script);
    if (result)
        printf("lua: %s\n", lua_tostring(state, -1));
    lua_close(state);
    return result;
}

int main(int argc, char **argv)
{
    int scripts = 1;
    while (scripts < argc && strcmp(argv[scripts], "--") != 0)
        scripts++;
    int words = scripts + 1 < argc ? argc - scripts - 1 : 0;
    for (int i = 1; i < scripts; i++)
        if (run(argv[i], words, argv + scripts + 1))
            return 1;
    return 0;
}
