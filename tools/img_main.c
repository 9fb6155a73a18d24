/* tools/img_main.c - mynah-img: looks at disk images and changes them. */
#include "api/version.h"
#include "host/process.h"
#include "tools/img.h"
#include <stdio.h>
#include <string.h>

struct command {
    const char *name, *syntax, *help;
    int (*run)(struct img *img);
};

static const struct command commands[] = {
    { "amend", "[-p] [-q] [-f FMT] -o OPTIONS FILE", "change options of an image", img_amend },
    { "bench", "[-c COUNT] [-d DEPTH] [-f FMT] [-n] [-o OFFSET] [-q] [-s SIZE] [-S STEP] [-t CACHE] [-w] FILE", "time requests", img_bench },
    { "bitmap", "[-f FMT] { --add [-g SIZE] | --remove | --remove-all | --clear | --enable | --disable | --merge SOURCE [-b FILE [-F FMT]] }... FILE [BITMAP]",
      "make, change or remove dirty bitmaps of an image", img_bitmap },
    { "check", "[-q] [-f FMT] [--output=human|json] [-r leaks|all] [-U] FILE", "look for errors, and mend them", img_check },
    { "commit", "[-q] [-f FMT | --image-opts] [-t CACHE] [-b BASE] [-d] [-r RATE] [-p] FILE", "write what an image has into its backing file", img_commit },
    { "compare", "[-f FMT] [-F FMT] [-T CACHE] [-p] [-q] [-s] [-U] FILE1 FILE2", "compare the content of two images", img_compare },
    { "convert", "[-c] [-p] [-q] [-n] [-f FMT] [-t CACHE] [-T CACHE] [-O FMT] [-b BACKING [-F FMT]] [-o OPTIONS] [-l SNAPSHOT] [--bitmaps [--skip-broken-bitmaps]] [-S SIZE] [-m N] [-r RATE] [-W] [--target-is-zero] FILE... OUTPUT",
      "copy an image into another format", img_convert },
    { "create", "[-q] [-f FMT] [-b BACKING [-B FMT]] [-u] [-o OPTIONS] FILE [SIZE]", "make a new image", img_create },
    { "dd", "[-U] [-f FMT] [-O FMT] [bs=SIZE] [count=N] [skip=N] if=FILE of=FILE", "copy blocks into a new image", img_dd },
    { "info", "[-f FMT] [-t CACHE] [--output=human|json] [--backing-chain] [--limits] [-U] FILE", "tell about an image", img_info },
    { "map", "[-f FMT] [--start-offset=N] [--max-length=N] [--output=human|json] [-U] FILE", "show what lies where", img_map },
    { "measure", "[--output=human|json] [-O FMT] [-o OPTIONS] [--size N | [-f FMT] [-l SNAPSHOT] FILE]", "compute how much space an image needs", img_measure },
    { "rebase", "[-U] [-q] [-f FMT] [-t CACHE] [-T CACHE] [-p] [-c] [-u] -b BACKING [-B FMT] FILE", "change the backing file", img_rebase },
    { "resize", "[-f FMT] [--preallocation=MODE] [-q] [--shrink] FILE [+|-]SIZE", "change the size of the disk", img_resize },
    { "snapshot", "[-U] [-q] [-f FMT] [-l | -a SNAPSHOT | -c SNAPSHOT | -d SNAPSHOT] FILE", "list, apply, create or delete internal snapshots", img_snapshot },
};

static void print_help(void)
{
    printf("mynah-img version %s\nusage: mynah-img [-h | -V] COMMAND [OPTIONS]\n\nLooks at disk images and changes them. Commands:\n\n", API_VERSION);
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
        printf("  %-9s %s\n            mynah-img %s %s\n", commands[i].name, commands[i].help, commands[i].name, commands[i].syntax);
    printf("\nFMT is raw or qcow2 (guessed when it is left out), RATE bytes a second, CACHE none, writeback, writethrough, directsync or unsafe.\n"
           "Sizes take k, M, G, T, P or E. --image-opts, where FILE is given, reads it as options: driver=qcow2,file.filename=a.qcow2.\n"
           "--object, of every command, makes what those refer to: --object throttle-group,id=slow,x-bps-total=1048576; --object help lists the kinds.\n"
           "-U does not lock the image: what is read may be half written. 'mynah-img COMMAND --help' shows one command.\n"
           "Example: mynah-img create -f qcow2 disk.qcow2 20G && mynah-img info disk.qcow2\n");
}

static const struct command *find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

struct run {
    struct img img;
    const struct command *command;
    int status;
};

static void run(void *opaque)
{
    struct run *run = opaque;

    run->status = run->command->run(&run->img);
    if (run->img.helped)
        run->status = 0;
    tool_objects_destroy(run->img.objects);
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return true;
    return false;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = NULL;
    struct run state = { .command = command, .img = { .argc = argc, .argv = argv } };

    if (wants_help(argc, argv)) {
        printf("usage: mynah-img %s %s\n%s\n", command->name, command->syntax, command->help);
        return 0;
    }
    argv[0] = name = g_strdup_printf("mynah-img %s", command->name); /* as messages about options call it */
    state.img.loop = block_loop_create(&error);
    if (!state.img.loop)
        return img_fail_error(g_steal_pointer(&error));
    block_loop_set_alone(state.img.loop, command->run != img_bench); /* which is about requests on their way at a time */
    state.img.graph = block_graph_create(state.img.loop);
    block_loop_call(state.img.loop, run, &state);
    if (!state.status && block_graph_has_lost(state.img.graph))
        state.status = 1;
    block_graph_destroy(state.img.graph);
    block_loop_destroy(state.img.loop);
    return fflush(stdout) ? 1 : state.status;
}

int main(int argc, char **argv)
{
    const struct command *command = argc > 1 ? find(argv[1]) : NULL;

    host_process_outlive_file_limit();
    if (command)
        return run_command(command, argc - 1, argv + 1);
    if (argc < 2) {
        img_fail("Not enough arguments");
        fprintf(stderr, "Try 'mynah-img --help' for more information\n");
        return 1;
    }
    if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help")) {
        print_help();
        return 0;
    }
    if (!strcmp(argv[1], "-V") || !strcmp(argv[1], "--version")) {
        printf("mynah-img version %s\n", API_VERSION);
        return 0;
    }
    img_fail("Command not found: %s", argv[1]);
    fprintf(stderr, "Try 'mynah-img --help' for more information\n");
    return 1;
}
