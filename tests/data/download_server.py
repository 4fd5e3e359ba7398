"""A web server with faults, for download_test.cpp. Listens on 127.0.0.1, prints its port, and ends when its standard input
closes or after --seconds.

  /good/...      the file, ranges honoured           /norange/...  the file, ranges ignored
  /cut/N/...     the first N answers end half way     /wrong/...    another file of the same length
  /redirect/N/.. N redirects, then the file           /stall/...    a header and a few bytes, then nothing
  /shifted/...   a range other than the one asked for  /status/N/... the status N and an error page
  /log           what was asked for so far
"""

import argparse
import http.server
import os
import sys
import threading
import time

SIZE = 300_000
FILE = bytes((i * i + i // 251) & 0xFF for i in range(SIZE))
OTHER = bytes(255 - b for b in FILE)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log = []
    cuts = {}
    lock = threading.Lock()

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        asked = self.headers.get("Range", "")
        kind, _, rest = self.path[1:].partition("/")
        if kind == "log":
            with self.lock:
                return self.answer(200, "\n".join(self.log).encode())
        with self.lock:
            self.log.append(f"{self.path} {asked}".strip())
        start = int(asked[len("bytes="):].split("-")[0]) if asked.startswith("bytes=") and kind != "norange" else 0
        if kind == "status":
            return self.answer(int(rest.split("/")[0]), b"an error page " * 100)
        if kind == "redirect":
            n, _, name = rest.partition("/")
            left = int(n) - 1
            return self.answer(302, Location=f"/redirect/{left}/{name}" if left > 0 else f"/good/{name}")
        if start >= SIZE:
            return self.answer(416, Content_Range=f"bytes */{SIZE}")
        body = (OTHER if kind == "wrong" else FILE)[start:]
        headers = {"Content_Range": f"bytes {start}-{SIZE - 1}/{SIZE}"} if start > 0 else {}
        if kind == "shifted" and start > 0:
            headers["Content_Range"] = f"bytes {start + 1}-{SIZE - 1}/{SIZE}"
            body = body[1:]
        if kind == "cut":
            with self.lock:
                self.cuts[self.path] = self.cuts.get(self.path, 0) + 1
                cut = self.cuts[self.path] <= int(rest.split("/")[0])
            if cut:
                self.close_connection = True
                self.answer(206 if start else 200, body[:len(body) // 2], Content_Length=str(len(body)), **headers)
                self.wfile.flush()
                return None
        if kind == "stall":
            self.close_connection = True
            self.answer(200, body[:10], Content_Length=str(len(body)))
            self.wfile.flush()
            time.sleep(10)
            return None
        return self.answer(206 if start > 0 else 200, body, **headers)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    seconds = parser.parse_args().seconds
    http.server.ThreadingHTTPServer.daemon_threads = True
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *args: None  # a client that hangs up is what some tests are about
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Timer(seconds, lambda: os._exit(0)).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
