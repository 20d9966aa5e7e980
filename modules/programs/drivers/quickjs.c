/* quickjs.c: runs JavaScript files, with print() and the words of the command line in `args`. */
#include "quickjs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static JSValue print(JSContext *context, JSValueConst self, int count, JSValueConst *argument)
{
    (void)self;
    for (int i = 0; i < count; i++) {
        const char *text = JS_ToCString(context, argument[i]);
        if (!text)
            return JS_EXCEPTION;
        printf(i ? " %s" : "%s", text);
        JS_FreeCString(context, text);
    }
    putchar('\n');
    return JS_UNDEFINED;
}

static char *read_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(2);
    }
    fseek(file, 0, SEEK_END);
    *bytes = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(*bytes + 1);
    *bytes = fread(text, 1, *bytes, file);
    text[*bytes] = 0;
    fclose(file);
    return text;
}

static int show(JSContext *context, JSValueConst thrown)
{
    const char *text = JS_ToCString(context, thrown);
    printf("quickjs: %s\n", text ? text : "?");
    JS_FreeCString(context, text);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    JSRuntime *runtime = JS_NewRuntime();
    JSContext *context = JS_NewContext(runtime);
    JSValue global = JS_GetGlobalObject(context), words = JS_NewArray(context);
    JS_SetPropertyStr(context, global, "print", JS_NewCFunction(context, print, "print", 1));
    for (int i = 2; i < argc; i++)
        JS_SetPropertyUint32(context, words, (uint32_t)(i - 2), JS_NewString(context, argv[i]));
    JS_SetPropertyStr(context, global, "args", words);
    size_t bytes;
    char *text = read_file(argv[1], &bytes);
    JSValue result = JS_Eval(context, text, bytes, argv[1], JS_EVAL_TYPE_GLOBAL);
    int status = 0;
    if (JS_IsException(result)) {
        JSValue thrown = JS_GetException(context);
        status = show(context, thrown);
        JS_FreeValue(context, thrown);
    }
    JSContext *other;
    while (JS_ExecutePendingJob(runtime, &other) > 0)
        ;
    JS_FreeValue(context, result);
    JS_FreeValue(context, global);
    JS_FreeContext(context);
    JS_FreeRuntime(runtime);
    free(text);
    return status;
}
