/*
 * hw/nvme/nvme.h - what the files of the NVMe controller share. Private to them. Sections are those of NVM Express Base 1.4, unless they
 * say "PCIe". Thread: the device's (machine lock and token), unless a function says otherwise.
 */
#ifndef HW_NVME_NVME_H
#define HW_NVME_NVME_H

#include "base/bits.h"
#include "block/disk.h"
#include "hw/pci/msix.h"
#include "hw/nvme/space.h"
#include "hw/pci/pci.h"
#include "vm/inbox.h"

enum { NVME_IO_QUEUES = 128, NVME_QUEUES = NVME_IO_QUEUES + 1, NVME_NAMESPACES = 256, NVME_SQE = 64, NVME_CQE = 16, NVME_EVENTS = 16 };
/* Commands with the disks at one time, and pieces of memory that they may have; what comes beyond waits in its queue. */
enum { NVME_IN_FLIGHT = 2048, NVME_PIECES = 1 << 19 };
/* How often the driver's memory is looked at in one go: others may want the machine lock. */
enum { NVME_TURN = 1 << 16 };
/* Abort commands that may wait; entries of the error log. */
enum { NVME_ABORTS = 4, NVME_ERRORS = 64 };

/* A submission queue; size 0: not there. */
struct nvme_sq {
    u64 address;
    u32 size, head, tail;
    u16 cq;
};

/* A completion queue; size 0: not there. */
struct nvme_cq {
    u64 address;
    u32 size, head, tail;
    u16 vector;
    u8 phase, interrupts;
};

/* Status field without phase: type << 8 | code (4.6.1), and "do not retry". */
enum nvme_status {
    NVME_OK = 0, NVME_INVALID_OPCODE = 0x01, NVME_INVALID_FIELD = 0x02, NVME_TRANSFER_ERROR = 0x04, NVME_INTERNAL = 0x06, NVME_ABORT_REQUESTED = 0x07, NVME_ABORTED_SQ = 0x08,
    NVME_INVALID_NAMESPACE = 0x0b, NVME_SEQUENCE = 0x0c, NVME_SGL_SEGMENT = 0x0d, NVME_SGL_COUNT = 0x0e, NVME_SGL_LENGTH = 0x0f, NVME_SGL_TYPE = 0x11,
    NVME_PRP_OFFSET = 0x13, NVME_LBA_RANGE = 0x80, NVME_FORMATTING = 0x84, NVME_CQ_INVALID = 0x100, NVME_QUEUE_ID = 0x101, NVME_QUEUE_SIZE = 0x102,
    NVME_ABORT_LIMIT = 0x103, NVME_EVENT_LIMIT = 0x105, NVME_VECTOR = 0x108, NVME_LOG_PAGE = 0x109, NVME_INVALID_FORMAT = 0x10a, NVME_QUEUE_DELETION = 0x10c, NVME_NOT_SAVEABLE = 0x10d,
    NVME_NOT_CHANGEABLE = 0x10e, NVME_NOT_OF_NAMESPACE = 0x10f, NVME_READ_ONLY = 0x182, NVME_COPY_SIZE = 0x183, NVME_WRITE_FAULT = 0x280, NVME_READ_FAULT = 0x281,
    NVME_COMPARE_FAILED = 0x285, NVME_DNR = 0x4000,
    NVME_PENDING = 0xffff, /* not a status: the command ends later */
};

struct nvme;
struct nvme_request;

struct nvme_namespace {
    struct nvme *controller; /* NULL: it has gone */
    u32 id;
    struct disk *disk;
    u32 shift;      /* log2 of a logical block's bytes */
    u32 physical;   /* bytes */
    u32 granularity; /* of deallocating, bytes; UINT32_MAX: chosen */
    u32 own_shift;  /* as the user gave it */
    u32 mcl;        /* most blocks of a copy, of one of its ranges, most ranges less one */
    u16 mssrl;
    u8 msrc;
    struct nvme_request *formatting; /* NULL: nobody formats it */
    u8 uuid[16];
    u64 eui64;      /* 0: none */
    struct vm_object *owner; /* whose property the disk is */
};

/* 5.21.1, 5.27: values of features, as in command dword 11. */
struct nvme_features {
    u32 arbitration, power, temperature[2], recovery, write_cache_off, queues, coalescing, atomicity, event_config;
};

/* 5.14.1.1: what is known of a command that ended with an error. */
struct nvme_error {
    u64 number, lba;
    u32 space;
    u16 sq, id, status; /* status: with phase */
    u16 spare;
};

/* Guest memory of a command. */
struct nvme_piece {
    struct ram_block *ram; /* pinned; NULL: what the device writes there goes nowhere */
    u64 offset;
};

struct nvme_data {
    u32 count;
    u64 size;
    struct iovec *iov;         /* one allocation, with the pieces behind */
    struct nvme_piece *piece;
};

#define DEVICE           nvme
#define DEVICE_ROWS      "hw/nvme/nvme.dev"
#define DEVICE_PARENT    "pci-device"
#define DEVICE_FLAGS     .user_creatable = true,
#define PCI_CONFIG_BYTES 4096
#define PCI_MSIX_VECTORS 2048
extern const char *const nvme_on_off_auto[];
#include "hw/core/declare.inc"

/* A command that has been fetched and not been completed. */
struct nvme_request {
    struct disk_request io;
    struct nvme *nvme;
    struct nvme_namespace *space;
    struct nvme_request *next; /* in nvme->outcomes */
    GList link;                /* in nvme->active, or waiting for room in a completion queue */
    u32 generation, queue_generation;
    u16 sq, id, status;
    int error;                 /* of the disk: 0 or -errno */
    u32 result;
    struct nvme_data data;
    /* Commands of several steps: called after each one; a status, or NVME_PENDING after the next has been submitted. */
    u16 (*step)(struct nvme_request *request);
    u64 position, end;         /* of the steps: bytes, or numbers */
    u8 *buffer;                /* theirs */
    struct iovec piece;        /* of it */
    struct nvme_request *target; /* of Abort: ends first */
    u64 held;                  /* bytes of nvme->copying */
    bool aborted;              /* there is one whose target it is */
    struct nvme_request *deleter; /* Delete I/O Submission Queue that waits for it, or NULL */
    u8 command[NVME_SQE];
};

static inline u32 nvme_dword(const u8 *command, unsigned number)
{
    return bits_load_le(command + 4 * number, 4);
}

/* --- nvme.c --- */

bool nvme_is_ready(const struct nvme *n);
/* CSTS.CFS: the driver has to reset the controller (3.1.6). */
void nvme_fail(struct nvme *n, const char *why);

/* --- queue.c --- */

/* Fetches and begins commands while there is room, and the turn lasts (n->work, which entries of the device set to 0). */
void nvme_run(struct nvme *n, u32 queue);
/* Those that had to wait. */
void nvme_run_stalled(struct nvme *n);
void nvme_doorbell(struct nvme *n, u32 queue, bool completion, u32 value);
struct nvme_request *nvme_request_new(struct nvme *n, u32 queue, const u8 *command);
/* Ends a command: a completion entry now, or when there is room. Frees the request. */
void nvme_complete(struct nvme_request *request, u16 status);
/* Interrupts for what has been completed since the last call. */
void nvme_notify(struct nvme *n);
/* Forgets all queues: what is with the disks comes back as nobody's. */
void nvme_forget_queues(struct nvme *n);
/* Commands of a submission queue that wait for room end unseen; those with the disks come back as nobody's. */
void nvme_forget_queue(struct nvme *n, u32 queue);
/* The driver's copies of doorbells begin with the present values (5.7 of 1.3: Doorbell Buffer Config). */
void nvme_share_doorbells(struct nvme *n, u32 queue);

/* --- transfer.c --- */

/* What lies at an address of the driver's; in the epoch. */
struct space_hit nvme_lookup(const struct nvme *n, u64 address);
bool nvme_dma_read(struct nvme *n, u64 address, void *to, u64 size);
bool nvme_dma_write(struct nvme *n, u64 address, const void *from, u64 size);
/* What PRPs or SGLs of the command say (4.3, 4.4), each of them read once. write: the device writes there. */
u16 nvme_data_map(struct nvme *n, const u8 *command, u64 size, bool write, bool may_sgl, struct nvme_data *data);
/* written: bytes from the start that the device has changed. */
void nvme_data_unmap(struct nvme *n, struct nvme_data *data, u64 written);
/* The data of an admin command. */
u16 nvme_copy_out(struct nvme *n, const u8 *command, const void *from, u64 size);
u16 nvme_copy_in(struct nvme *n, const u8 *command, void *to, u64 size);

/* --- admin.c, identify.c, feature.c, log.c --- */

/* A status, or NVME_PENDING. */
u16 nvme_admin(struct nvme_request *request);
u16 nvme_identify(struct nvme *n, const u8 *command);
u16 nvme_get_feature(struct nvme_request *request);
u16 nvme_set_feature(struct nvme_request *request);
void nvme_reset_features(struct nvme *n);
u16 nvme_get_log(struct nvme *n, const u8 *command);
/* The temperature has reached one of the driver's thresholds (5.21.1.4). */
bool nvme_temperature_warns(const struct nvme *n);
/* A command that Delete I/O Submission Queue waits for has let go of the driver's memory. */
void nvme_queue_lets_go(struct nvme_request *deleter);
/* The error log and the counters of SMART. */
void nvme_log_error(const struct nvme_request *request);
/* 5.2: type 0 error, 1 SMART, 2 notice; told when the driver asks. */
void nvme_event(struct nvme *n, u8 type, u8 information, u8 log);
/* Event requests that can be answered now are. */
void nvme_answer_events(struct nvme *n);
void nvme_space_changed(struct nvme_namespace *space);
bool nvme_has_write_cache(const struct nvme *n);

/* --- abort.c --- */

u16 nvme_abort(struct nvme_request *request);
/* The command in this place of the ring has been aborted before it was fetched; it is passed over once. */
bool nvme_abort_skips(struct nvme *n, u32 queue, u32 slot);
/* A command has ended, and its entry is written. */
void nvme_abort_ended(struct nvme_request *target);
/* A queue, or all (-1), go. */
void nvme_abort_forget(struct nvme *n, int queue);
/* admin.c: ends a request for events; false: there is none with this identifier. */
bool nvme_abort_event_request(struct nvme *n, u16 id);

/* --- copy.c, format.c, cmb.c --- */

u16 nvme_copy(struct nvme_request *request, struct nvme_namespace *space);
u16 nvme_format(struct nvme_request *request);
/* A command ends, however: if it was a Format, nobody formats anything. */
void nvme_format_ended(struct nvme_request *request);
/* After the function's other BARs. */
bool nvme_cmb_add(struct nvme *n, GError **error);
void nvme_cmb_remove(struct nvme *n);
/* Registers. */
u32 nvme_cmb_location(const struct nvme *n);
u32 nvme_cmb_size(const struct nvme *n);
u32 nvme_cmb_status(const struct nvme *n);
void nvme_cmb_control(struct nvme *n);

/* --- io.c --- */

/* What a write has to be when the driver or the user does not want a cache. */
u32 nvme_write_flags(const struct nvme_request *request);
void nvme_count_write(struct nvme *n, u64 size);

u16 nvme_io(struct nvme_request *request);
/* Sends request->io; the outcome goes to nvme_step in the device's thread. Gives back NVME_PENDING. */
u16 nvme_submit(struct nvme_request *request, struct nvme_namespace *space);
/* The disk has answered. */
void nvme_returned(struct nvme_request *request);
/* Flushes every namespace. */
u16 nvme_flush_all(struct nvme_request *request);

/* --- namespace.c --- */

/* Disks that nvme-ns brought stay with it; nothing is under way in them any more. */
void nvme_spaces_leave(struct nvme *n);
u64 nvme_space_blocks(const struct nvme_namespace *space);
/* Sizes of blocks that it can have: 0 is 512 bytes, 1 is 4096, 2 is the user's if that is neither. */
u32 nvme_space_formats(const struct nvme_namespace *space);
u32 nvme_space_format_shift(const struct nvme_namespace *space, u32 format);
void nvme_space_set_format(struct nvme_namespace *space, u32 format);
/* The namespace of a command, or NULL. */
struct nvme_namespace *nvme_space(const struct nvme *n, u32 id);

#endif
