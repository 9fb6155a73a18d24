/* hw/virtio/pci.h - PCI classes of virtio devices, as hw/virtio/define.inc makes them of a VIRTIO row. */
#ifndef HW_VIRTIO_PCI_H
#define HW_VIRTIO_PCI_H

#include "vm/object.h"

enum virtio_pci_kind {
    VIRTIO_PCI_GENERIC,          /* disable-legacy and disable-modern say */
    VIRTIO_PCI_TRANSITIONAL,     /* both interfaces */
    VIRTIO_PCI_NON_TRANSITIONAL, /* the modern one */
};

/* The variant of a class. */
struct virtio_pci_variant {
    const char *device; /* class behind it */
    enum virtio_pci_kind kind;
    u16 id, class;      /* virtio device ID, PCI class */
};

/* Properties: of the variant, and passed on to the device. */
extern const struct vm_property virtio_pci_generic_properties[];
char *virtio_pci_pass_get(struct vm_object *object, const struct vm_property *property);
bool virtio_pci_pass_set(struct vm_object *object, const struct vm_property *property, const char *text, GError **error);
char *virtio_pci_vectors_get(struct vm_object *object, const struct vm_property *property);
bool virtio_pci_vectors_set(struct vm_object *object, const struct vm_property *property, const char *text, GError **error);

#define VIRTIO_PCI_PROPERTIES(vectors_)                                                                                                \
    { .name = "vectors", .type = VM_PROPERTY_U32, .description = "MSI-X vectors; 0: none, 4294967295: as many as make sense",           \
      .default_text = vectors_, .get_text = virtio_pci_vectors_get, .set_text = virtio_pci_vectors_set },

#endif
