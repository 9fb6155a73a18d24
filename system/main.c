/* system/main.c - process entry: wiring only. */
#include <stdio.h>

int main(int argc, char **argv)
{
    (void)argc;
    printf("%s: nothing to run yet\n", argv[0]);
    return 0;
}
