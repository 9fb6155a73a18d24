#!/usr/bin/env python3
# tests/functional/vhost_backend.py - a vhost-user network of one host: answers ARP and ICMP echo requests, from the protocol's specification.
"""usage: vhost_backend.py SOCKET        (says "listening", serves one connection, 10.0.0.2, and ends with it)"""
import array
import mmap
import os
import select
import socket
import struct
import sys

(GET_FEATURES, SET_FEATURES, SET_MEM_TABLE, SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL,
 GET_PROTOCOL, GET_QUEUES, VRING_ENABLE) = 1, 2, 5, 8, 9, 10, 11, 12, 13, 15, 17, 18
MAC = bytes.fromhex("525400aabbcc")
HEADER = 12


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data[:len(data) & ~1])) + (data[-1] << 8 if len(data) % 2 else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def answer(frame):
    """The frame that 10.0.0.2 sends back, or None."""
    kind = frame[12:14]
    if kind == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] == bytes((10, 0, 0, 2)):
        return frame[6:12] + MAC + b"\x08\x06" + frame[14:20] + b"\0\2" + MAC + frame[38:42] + frame[22:32]
    if kind == b"\x08\0" and frame[23] == 1 and frame[34] == 8:
        echo = b"\0\0\0\0" + frame[38:]
        echo = echo[:2] + struct.pack(">H", checksum(echo)) + echo[4:]
        return frame[6:12] + MAC + frame[12:26] + frame[30:34] + frame[26:30] + echo
    return None


class Ring:
    def __init__(self):
        self.size = self.descriptors = self.available = self.used = self.next = 0
        self.kick = self.call = -1


class Backend:
    def __init__(self, connection):
        self.socket, self.regions, self.rings = connection, [], [Ring(), Ring()]

    def at(self, address):
        for start, size, memory, offset in self.regions:
            if start <= address < start + size:
                return memory, offset + address - start
        raise ValueError(f"0x{address:x} was not shared")

    def load(self, address, size):
        memory, at = self.at(address)
        return memory[at: at + size]

    def store(self, address, data):
        memory, at = self.at(address)
        memory[at: at + len(data)] = data

    def chain(self, ring):
        """(head, [(address, size)]) of the next chain, or None."""
        if ring.next == struct.unpack("<H", self.load(ring.available + 2, 2))[0]:
            return None
        head = at = struct.unpack("<H", self.load(ring.available + 4 + 2 * (ring.next % ring.size), 2))[0]
        pieces, flags = [], 1
        while flags & 1:
            address, size, flags, following = struct.unpack("<QIHH", self.load(ring.descriptors + 16 * at, 16))
            pieces.append((address, size))
            at = following
        return head, pieces

    def give_back(self, ring, head, written):
        self.store(ring.used + 4 + 8 * (ring.next % ring.size), struct.pack("<II", head, written))
        ring.next = ring.next + 1 & 0xFFFF
        self.store(ring.used + 2, struct.pack("<H", ring.next))
        os.write(ring.call, struct.pack("<Q", 1))

    def send(self, frame):
        chain, data = self.chain(self.rings[0]), bytes(10) + b"\1\0" + frame.ljust(60, b"\0")
        if not chain:
            return  # the guest has no room: lost
        size = len(data)
        for address, room in chain[1]:
            self.store(address, data[:room])
            data = data[room:]
        self.give_back(self.rings[0], chain[0], size)

    def serve(self):
        os.read(self.rings[1].kick, 8)
        while chain := self.chain(self.rings[1]):
            frame = b"".join(self.load(address, size) for address, size in chain[1])[HEADER:]
            self.give_back(self.rings[1], chain[0], 0)
            if reply := answer(frame):
                self.send(reply)

    def message(self):
        """False at the end."""
        head, ancillary, _, _ = self.socket.recvmsg(12, socket.CMSG_SPACE(8 * 4))
        if len(head) < 12:
            return False
        request, flags, size = struct.unpack("<III", head)
        payload, fds = self.socket.recv(size, socket.MSG_WAITALL) if size else b"", array.array("i")
        for _, _, data in ancillary:
            fds.frombytes(data)
        reply = self.handle(request, payload, list(fds))
        if reply is None and flags & 8:
            reply = bytes(8)
        if reply is not None:
            self.socket.sendall(struct.pack("<III", request, 5, len(reply)) + reply)
        return True

    def map(self, payload, fds):
        for i, fd in enumerate(fds):
            _, size, user, offset = struct.unpack_from("<QQQQ", payload, 8 + 32 * i)
            self.regions.append((user, size, mmap.mmap(fd, offset + size), offset))
            os.close(fd)

    def handle(self, request, payload, fds):
        first, second = struct.unpack("<II", payload[:8]) if len(payload) >= 8 else (0, 0)
        ring = self.rings[first & 1]
        if request == GET_FEATURES:
            return struct.pack("<Q", 1 << 32 | 1 << 30 | 1 << 15)  # VERSION_1, protocol features, MRG_RXBUF
        if request == GET_PROTOCOL:
            return struct.pack("<Q", 1 | 8)  # MQ, REPLY_ACK
        if request == GET_QUEUES:
            return struct.pack("<Q", 1)
        if request == GET_VRING_BASE:
            ring.kick = -1
            return struct.pack("<II", first, ring.next)
        if request == SET_MEM_TABLE:
            self.regions = []
            self.map(payload, fds)
        elif request == SET_VRING_NUM:
            ring.size = second
        elif request == SET_VRING_BASE:
            ring.next = second
        elif request == SET_VRING_ADDR:
            _, ring.descriptors, ring.used, ring.available, _ = struct.unpack("<QQQQQ", payload)
        elif request == SET_VRING_KICK:
            ring.kick = fds[0]
        elif request == SET_VRING_CALL:
            ring.call = fds[0]
        return None

    def run(self):
        while True:
            kick = self.rings[1].kick
            ready = select.select([self.socket] + ([kick] if kick >= 0 else []), [], [])[0]
            if self.socket in ready:
                if not self.message():
                    return
            elif kick in ready:
                self.serve()


def main():
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(1)
    print("listening", flush=True)
    connection, _ = listener.accept()
    os.unlink(sys.argv[1])
    Backend(connection).run()


if __name__ == "__main__":
    main()
