/* api/introspect.h - what query-qmp-schema answers, in QEMU's format. Constant. */
#ifndef API_INTROSPECT_H
#define API_INTROSPECT_H

#include <stddef.h>

/* One JSON object a row; ends with NULL. */
extern const char *const api_introspect_rows[];

#endif
