# tests/functional/toy_tcp.py - as much of a guest as one TCP connection takes: its card is a datagram socket on a hub.
import socket
import struct
import time

from conftest import PATIENCE

OWN, GATEWAY = bytes([10, 0, 2, 15]), bytes([10, 0, 2, 2])
MAC, THEIR_MAC = bytes.fromhex("525400123456"), bytes.fromhex("52550a000202")
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Connection:
    """To an address of the user network `user,id=u<options>`; arguments() go to the emulator first."""

    def __init__(self, folder):
        self.ours, self.theirs = f"{folder}/toy", f"{folder}/toy.peer"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.ours)
        self.socket.settimeout(0.05)

    def arguments(self, options):
        return ["-netdev", f"user,id=u{options}", "-netdev", "hubport,id=hu,hubid=0,netdev=u", "-netdev",
                f"dgram,id=d,local.type=unix,local.path={self.theirs},remote.type=unix,remote.path={self.ours}",
                "-netdev", "hubport,id=hd,hubid=0,netdev=d"]

    def open(self, address, port):
        self.address, self.port, self.expected, self.acknowledged, self.window, self.got = bytes(address), port, 0, 0, 0, b""
        self._send(b"\x08\x06", b"\xff" * 6, struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + MAC + OWN + bytes(6) + GATEWAY)
        self._until(lambda: self.window, again=lambda: self._segment(SYN, 999))
        self._segment(ACK, 1000)

    def write(self, data):
        """Until all is acknowledged; what was lost is sent again."""
        def send():
            done = at = self.acknowledged - 1000
            while at < len(data) and at - done < max(self.window - 1400, 1):
                self._segment(ACK | PSH, 1000 + at, data[at:at + 1400])
                at += 1400
        self._until(lambda: self.acknowledged == 1000 + len(data), again=send)

    def _until(self, condition, again):
        end = time.monotonic() + 20 * PATIENCE
        while not condition():
            assert time.monotonic() < end
            again()
            try:
                while not condition():
                    self._take(self.socket.recv(70000))
            except TimeoutError:
                pass

    def _take(self, frame):
        if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] == OWN:
            self._send(b"\x08\x06", frame[6:12], struct.pack("!HHBBH", 1, 0x800, 6, 4, 2) + MAC + OWN + frame[22:32])
        if frame[12:14] != b"\x08\x00" or frame[23] != 6:
            return
        segment = frame[34:14 + struct.unpack("!H", frame[16:18])[0]]
        sequence, acknowledged, offset, flags, window = struct.unpack("!IIBBH", segment[4:16])
        assert not flags & RST
        self.window, self.acknowledged = window, max(self.acknowledged, acknowledged)
        if flags & SYN:
            self.expected = sequence + 1

    def _segment(self, flags, sequence, data=b""):
        segment = struct.pack("!HHIIBBHHH", 4000, self.port, sequence, self.expected, 0x50, flags, 60000, 0, 0) + data
        total = checksum(OWN + self.address + struct.pack("!BBH", 0, 6, len(segment)) + segment)
        segment = segment[:16] + struct.pack("!H", total) + segment[18:]
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0, 64, 6, 0) + OWN + self.address
        header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
        self._send(b"\x08\x00", THEIR_MAC, header + segment)

    def _send(self, kind, to, packet):
        self.socket.sendto(to + MAC + kind + packet, self.theirs)
