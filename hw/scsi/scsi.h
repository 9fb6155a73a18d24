/*
 * hw/scsi/scsi.h - between host adapters (virtio-scsi) and logical units (scsi-hd, scsi-cd). An adapter has a bus; what the guest
 * sends becomes requests to the units there. SAM-5, SPC-4.
 *
 * Thread: machine lock, with the adapter's busy token; units have no entries of their own. Requests come in lanes, one for each of the
 * adapter's queues. A lane outside belongs to a thread of its own, which runs what only reads and writes the medium (SCSI_OUTSIDE); for all
 * else the machine lock is taken and the lanes are held (docs/decisions/iothread-rings.md).
 */
#ifndef HW_SCSI_SCSI_H
#define HW_SCSI_SCSI_H

#include "block/disk.h"
#include "host/lock.h"
#include "hw/core/bus.h"
#include "hw/core/device.h"

enum { SCSI_CDB_SIZE = 32, SCSI_SENSE_SIZE = 18, SCSI_ANY = UINT32_MAX };

/* Status codes (SAM-5, 5.3.1). */
enum scsi_status { SCSI_GOOD = 0, SCSI_CHECK_CONDITION = 2, SCSI_BUSY = 8, SCSI_TASK_ABORTED = 0x40 };

/* Sense key, additional sense code and qualifier (SPC-4, 4.5.6 and D.2). */
enum scsi_sense {
    SCSI_NO_SENSE = 0,
    SCSI_NO_MEDIUM_TRAY_CLOSED = 0x023a01, SCSI_NO_MEDIUM_TRAY_OPEN = 0x023a02,
    SCSI_WRITE_ERROR = 0x030c00, SCSI_READ_ERROR = 0x031100,
    SCSI_PARAMETER_LENGTH = 0x051a00, SCSI_INVALID_OPCODE = 0x052000, SCSI_OUT_OF_RANGE = 0x052100, SCSI_INVALID_FIELD = 0x052400,
    SCSI_NO_SUCH_UNIT = 0x052500, SCSI_INVALID_PARAMETER = 0x052600, SCSI_INCOMPATIBLE_MEDIUM = 0x053000, SCSI_NOT_SAVED = 0x053900,
    SCSI_REMOVAL_PREVENTED = 0x055302,
    SCSI_RESET_OCCURRED = 0x062900, SCSI_MEDIUM_CHANGED = 0x062800, SCSI_CAPACITY_CHANGED = 0x062a09, SCSI_LUNS_CHANGED = 0x063f0e,
    SCSI_WRITE_PROTECTED = 0x072700, SCSI_SPACE_FAILED = 0x072707,
    SCSI_TARGET_FAILURE = 0x0b4400, SCSI_MISCOMPARE = 0x0e1d00,
};

/* Unit attentions that wait to be told, in the order of telling (SAM-5, 5.14.1); bits of *unit->attention. */
enum scsi_attention { SCSI_WAS_RESET = 1, SCSI_MEDIUM_IS_NEW = 2, SCSI_HAS_NEW_CAPACITY = 4, SCSI_HAS_NEW_LUNS = 8 };

struct scsi_bus;
struct scsi_unit;

/* Requests of one queue of an adapter. Whose the lane is: its thread's; with the machine lock whoever holds the bus. */
struct scsi_lane {
    struct scsi_bus *bus;
    u32 number;                 /* in bus->lanes */
    bool outside;               /* it has a thread of its own */
    GQueue active;              /* struct scsi_request: from submission until done */
    GQueue deferred;            /* those of them that wait for the machine lock */
    struct host_lock lock;
    GQueue outcomes;            /* under the lock: those of them whose disk is done, and nobody knows yet */
};

/*
 * Embedded in the adapter's own request, which fills in the first part; zeroed otherwise. It is the unit's from scsi_bus_submit
 * until done.
 */
struct scsi_request {
    u8 cdb[SCSI_CDB_SIZE];      /* copied in once; zeros behind its end */
    struct block_data in, out;  /* memory for what the initiator gets and with what it sends; it stays until done */
    u64 tag;                    /* the initiator's name for it */
    void (*done)(struct scsi_request *request); /* may come from within scsi_bus_submit */
    /* The result. */
    u8 status;                  /* enum scsi_status */
    bool has_sense;
    u8 sense[SCSI_SENSE_SIZE];  /* fixed format (SPC-4, 4.5.3) */
    u64 transferred;            /* bytes of in or out */
    bool cancelled;             /* by scsi_request_cancel or a reset; its effects are undefined */
    /* Private to hw/scsi/. */
    struct scsi_unit *unit;
    struct scsi_lane *lane;
    u32 lun;
    bool active;
    GList link;                 /* in lane->active */
    GList waiting;              /* in lane->deferred or lane->outcomes */
    struct disk_request io;
    int result;                 /* of io */
    void (*next)(struct scsi_request *request); /* after io */
    struct iovec iov;
    u8 *buffer;
    u64 at, left;               /* bytes of the medium, in requests of several steps */
    u64 position;               /* in the buffer or the data */
};

/* A kind of logical unit. */
struct scsi_unit_ops {
    void (*start)(struct scsi_unit *unit, struct scsi_request *request);
};

/* Embedded in the unit's device. */
struct scsi_unit {
    struct device *device;
    const struct scsi_unit_ops *ops;
    struct scsi_bus *bus;       /* NULL: not plugged in */
    u32 channel, id, lun;       /* wanted (SCSI_ANY: whatever is free), then given */
    u32 block_size;             /* bytes */
    u8 *attention;              /* in the device's state; changes while the bus is held */
    bool leaving;               /* takes no more requests */
    struct disk *disk;          /* where its requests go */
};

struct scsi_adapter_ops {
    void (*plugged)(struct scsi_bus *bus, struct scsi_unit *unit); /* while the machine runs; is there */
    void (*unplugged)(struct scsi_bus *bus, struct scsi_unit *unit); /* likewise; is gone, takes nothing more */
    void (*resized)(struct scsi_bus *bus, struct scsi_unit *unit);
    void (*batch_done)(struct scsi_lane *lane); /* after several done() in a row; the lane's thread */
    void (*poke)(struct scsi_lane *lane); /* of a lane outside: its thread is to call scsi_lane_serve. Any thread */
    void (*hold)(struct scsi_bus *bus, bool on); /* machine lock: until hold(false) no lane works. Nests */
};

/* Class "SCSI". */
struct scsi_bus {
    struct bus bus;
    struct device *adapter;
    const struct scsi_adapter_ops *ops;
    u32 max_channel, max_id, max_lun;
    struct block_loop *loop;    /* where the units' disks work; NULL: the main loop */
    GPtrArray *lanes;           /* struct scsi_lane, the adapter's */
};

/* ---- Adapters ---- */

/* Below the adapter, with which it goes: just before the adapter's unrealize, after requests under way have come back. NULL with error. */
struct scsi_bus *scsi_bus_create(struct device *adapter, const char *name, const struct scsi_adapter_ops *ops, u32 max_id, u32 max_lun, GError **error);
/* In realize, for each queue; it stays until the adapter's unrealize, which finishes it. */
void scsi_lane_init(struct scsi_lane *lane, struct scsi_bus *bus, bool outside);
void scsi_lane_finish(struct scsi_lane *lane);
/* Takes what disks have done. */
void scsi_lane_serve(struct scsi_lane *lane);
/* The unit at this place; or, when the target has no such unit, any of its units: *exact says which. NULL: there is no target. */
struct scsi_unit *scsi_bus_find(const struct scsi_bus *bus, u32 channel, u32 id, u32 lun, bool *exact);
/* The i-th of bus->bus.devices. */
struct scsi_unit *scsi_bus_unit(const struct scsi_bus *bus, guint i);
/* Bytes that the CDB moves, as far as it says (allocation lengths, block counts). */
void scsi_request_lengths(const struct scsi_unit *unit, const u8 *cdb, u64 *in, u64 *out);
/* unit is what scsi_bus_find gave for this lun. */
void scsi_lane_submit(struct scsi_lane *lane, struct scsi_unit *unit, u32 lun, struct scsi_request *request);
/* It comes back as soon as the back end has let go of its memory. The bus is held. */
void scsi_request_cancel(struct scsi_request *request);
/* Hard reset of one unit or all: requests are cancelled, state is as after power-on (the device's on_reset has a unit attention say so). */
void scsi_unit_reset(struct scsi_unit *unit);
void scsi_bus_reset(struct scsi_bus *bus);
/* Requests are cancelled and waited for: all have come back. The bus is held. */
void scsi_bus_settle(struct scsi_bus *bus);
/* fn for each request of the unit that has not come back; fn may not end it. The bus is held. */
void scsi_unit_each_request(const struct scsi_unit *unit, void (*fn)(struct scsi_request *request, void *opaque), void *opaque);

/* ---- Units ---- */

/* Chooses the place; false with error. In realize and unrealize, of the device's class below "scsi-device". */
bool scsi_unit_plug(struct scsi_unit *unit, GError **error);
/* Waits for what is under way. */
void scsi_unit_unplug(struct scsi_unit *unit);
/* Until scsi_unit_hold(unit, false) no lane looks at it. Nests; a unit without a bus is nobody's. */
void scsi_unit_hold(struct scsi_unit *unit, bool on);
/* Something happened that the initiator should know. */
void scsi_unit_attention(struct scsi_unit *unit, enum scsi_attention attention);

/* Ends a request: with GOOD, with GOOD and data (no more than `allocation` bytes of it), with CHECK CONDITION. */
void scsi_request_good(struct scsi_request *request);
void scsi_request_reply(struct scsi_request *request, const void *data, u64 size, u64 allocation);
void scsi_request_fail(struct scsi_request *request, enum scsi_sense sense);
/* request->io is filled in: next runs when it is done, with result in request->result, unless the request was cancelled meanwhile. */
void scsi_request_io(struct scsi_request *request, void (*next)(struct scsi_request *request));

/* Fixed sense data (SPC-4, 4.5.3) or, at most 8 bytes, descriptor format (4.5.2): how many bytes. */
u32 scsi_sense_store(u8 *at, enum scsi_sense sense, bool descriptors);

/* ---- Commands, as their CDBs tell ---- */

enum scsi_direction { SCSI_NONE, SCSI_IN, SCSI_OUT };
enum scsi_unit_kind { SCSI_DISK = 1, SCSI_CD = 2, SCSI_BOTH = 3 };
enum scsi_command_flags {
    SCSI_UNDER_ATTENTION = 1, /* runs though a unit attention waits */
    SCSI_NEEDS_MEDIUM = 2,
    SCSI_WRITES = 4,
    SCSI_BLOCKS = 8,          /* the length counts blocks */
    SCSI_RANGE = 16,          /* its blocks must be on the medium */
    SCSI_OUTSIDE = 32,        /* looks at the unit without changing it: lanes outside run it */
};

struct scsi_command {
    const char *name;
    u8 direction, at, size; /* of the length in the CDB; size 0: `at` bytes */
    u8 kinds, flags;
    void (*run)(struct scsi_unit *unit, struct scsi_request *request);
};

/* NULL: nobody has this operation code. */
const struct scsi_command *scsi_command_find(u8 opcode);
u64 scsi_cdb_lba(const u8 *cdb);
u64 scsi_cdb_blocks(const u8 *cdb);

/* bus.c for lane.c. */
void scsi_request_begin(struct scsi_request *request); /* its unit and lun are known */
struct scsi_bus *scsi_bus_of(struct device *adapter);
/* lane.c for bus.c: under the machine lock, the bus is held. What waits is run, or ends if it was cancelled or its unit leaves. */
void scsi_bus_serve(struct scsi_bus *bus);

/* bus.c for INQUIRY of units. */
void scsi_pad(u8 *at, u32 size, const char *text);
void scsi_report_luns(struct scsi_unit *unit, struct scsi_request *request);
void scsi_request_sense(struct scsi_unit *unit, struct scsi_request *request);

#endif
