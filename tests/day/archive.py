# tests/day/archive.py - Debian's archive for guests on this machine's loopback: fetches once, keeps, serves.
import http.server
import os
import subprocess
import threading
import urllib.error
import urllib.request


def mirror():
    """Where this machine's apt gets Debian from, without the last slash; None when it knows no such place."""
    targets = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)"], capture_output=True, text=True, check=False).stdout
    places = [line.split()[0] for line in targets.splitlines() if "debian" in line and "security" not in line]
    return places[0].rstrip("/") if places else None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = os.path.normpath("/" + self.path.partition("?")[0]).lstrip("/")
        try:
            size, data = self.server.archive.open(path)
        except urllib.error.HTTPError as error:
            self.send_error(error.code)
            return
        except OSError:
            self.send_error(502)
            return
        with data:
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            while block := data.read(1 << 16):
                self.wfile.write(block)

    def log_message(self, *unused):
        pass


class Archive:
    """http://127.0.0.1:port/ is the mirror. Packages are kept for ever, lists (dists/) for the life of the server."""

    def __init__(self, folder):
        self.mirror, self.folder = mirror(), folder
        self.served = 0
        self.lock = threading.Lock()
        self.fresh = set()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.archive, self.server.daemon_threads = self, True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def open(self, path):
        """(size, file) of a file of the archive."""
        kept = os.path.join(self.folder, path)
        with self.lock:
            if not os.path.isfile(kept) or (path.startswith("dists/") and path not in self.fresh):
                self.fetch(path, kept)
            self.fresh.add(path)
            self.served += os.path.getsize(kept)
        return os.path.getsize(kept), open(kept, "rb")

    def fetch(self, path, kept):
        os.makedirs(os.path.dirname(kept), exist_ok=True)
        with urllib.request.urlopen(f"{self.mirror}/{path}", timeout=60) as remote, open(kept + ".part", "wb") as local:
            while block := remote.read(1 << 20):
                local.write(block)
        os.replace(kept + ".part", kept)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
