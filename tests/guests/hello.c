/* tests/guests/hello.c - Small guest for the virt machine: a console that answers a few keys, then power off. */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

/* ns16550a: receive/transmit, interrupt enable, line control, line status (its data sheet, section 8) */
#define UART ((volatile u8 *)0x10000000)
enum { UART_DATA, UART_IER, UART_LCR = 3, UART_LSR = 5 };
enum { LSR_DATA_READY = 1, LSR_TRANSMITTER_EMPTY = 0x20 };

/* The test device: a word ends the machine. */
#define FINISH (*(volatile u32 *)0x100000)
enum { FINISH_PASS = 0x5555, FINISH_FAIL = 0x3333, FINISH_RESET = 0x7777 };

/* mtime of the ACLINT, 10 MHz */
#define MTIME (*(volatile u64 *)0x200bff8)
#define MTIME_HZ 10000000ul

static void put(char c)
{
    while (!(UART[UART_LSR] & LSR_TRANSMITTER_EMPTY))
        ;
    UART[UART_DATA] = (u8)c;
}

static void print(const char *s)
{
    for (; *s; s++) {
        if (*s == '\n')
            put('\r');
        put(*s);
    }
}

static void print_number(u64 n)
{
    char digits[21];
    int i = 20;

    digits[i] = 0;
    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    print(&digits[i]);
}

static char get(void)
{
    while (!(UART[UART_LSR] & LSR_DATA_READY))
        ;
    return (char)UART[UART_DATA];
}

/* Primes below a bound, by trial division: a second or so of honest work for the translator. */
static u64 count_primes(u64 below)
{
    u64 found = 0;

    for (u64 n = 2; n < below; n++) {
        u64 divisor = 2;
        while (divisor * divisor <= n && n % divisor)
            divisor++;
        found += divisor * divisor > n;
    }
    return found;
}

static void work(void)
{
    u64 start = MTIME, primes = count_primes(200000);

    print("There are ");
    print_number(primes);
    print(" primes below 200000; counting took ");
    print_number((MTIME - start) / (MTIME_HZ / 1000));
    print(" ms.\n");
}

static void help(void)
{
    print("Keys: h help, t time since start, p count primes, r reset, f fail, q power off\n> ");
}

void guest_main(u64 hart, u64 device_tree);

void guest_main(u64 hart, u64 device_tree)
{
    UART[UART_IER] = 0;
    UART[UART_LCR] = 3;
    print("\nHello from a small RISC-V guest on hart ");
    print_number(hart);
    print(device_tree ? ", with a device tree.\n" : ".\n");
    help();
    for (;;) {
        char key = get();

        put(key);
        print("\n");
        switch (key) {
        case 't':
            print_number(MTIME / MTIME_HZ);
            print(" seconds\n");
            break;
        case 'p':
            work();
            break;
        case 'r':
            FINISH = FINISH_RESET;
            break;
        case 'f':
            FINISH = FINISH_FAIL | 5 << 16;
            break;
        case 'q':
            print("Good bye.\n");
            FINISH = FINISH_PASS;
            break;
        default:
            help();
            continue;
        }
        print("> ");
    }
}
