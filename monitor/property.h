/* monitor/property.h - property values between the object tree's text and JSON. Machine lock. */
#ifndef MONITOR_PROPERTY_H
#define MONITOR_PROPERTY_H

#include "vm/object.h"

struct json_object;

/* Its text is JSON. */
bool property_is_struct(const struct vm_property *property);
/* Whether clients see it as a boolean. */
bool property_is_bool(const struct vm_property *property);
/* Text as the property's type has it; NULL text: the type's zero. The caller's. */
struct json_object *property_json(const struct vm_property *property, const char *text);
/* JSON as text for vm_object_set; NULL with *error set for arrays and objects. The caller's. */
char *property_text(const char *name, struct json_object *value, GError **error);
/* Arguments but "id" and the one that names the class, as key, value, ... NULL; NULL with *error set as above. */
GPtrArray *property_pairs(struct json_object *arguments, const char *class_key, GError **error);

#endif
