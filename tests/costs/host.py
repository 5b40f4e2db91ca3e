"""Envoy's side of the border to the filter (Proxy-Wasm 0.2.1), as far as the filter uses it.

It notes each crossing, the bytes that are copied, and the instructions that the filter takes.
"""

import struct

from wasmtime import Config, Engine, Func, Linker, Module, Store

ROOT = 1
CONTINUE = 0
OK, NOT_FOUND = 0, 1
REQUEST, RESPONSE, CALL_RESPONSE = 0, 2, 6
PLUGIN_CONFIGURATION = 7
FUEL = 1 << 62
# A moment in the life of the token; both clocks show it.
NOW = 1000 * 10**9


class Vm:
    """A worker's VM with the filter in it, and a token at hand for whoever may list pods."""

    def __init__(self, engine, module, allowed, policy, token_answer, warm_up):
        self.allowed = allowed
        self.configuration = ("policy:\n" + indented(policy)).encode()
        self.token_answer = token_answer.encode()
        self.maps, self.body, self.shared = {}, b"", {}
        self.calls, self.log, self.replied = [], [], False
        self.last_id, self.last_stream = 0, ROOT
        self.store = Store(engine)
        self.begin()
        linker = Linker(engine)
        for each in module.imports:
            function = Func(self.store, each.type, self.import_(each.name, each.type))
            linker.define(self.store, each.module, each.name, function)
        self.exports = linker.instantiate(self.store, module).exports(self.store)
        self.exports["_initialize"](self.store)
        self.callback("proxy_on_context_create", ROOT, 0)
        self.callback("proxy_on_vm_start", ROOT, 0)
        if not self.callback("proxy_on_configure", ROOT, len(self.configuration)):
            raise SystemExit(f"the policy is refused: {self.log}")
        self.warm_up(warm_up)

    def warm_up(self, headers):
        """The first request waits for a token."""
        self.request(headers, b"")
        self.end()
        for _ in range(3):
            self.callback("proxy_on_tick", ROOT)
            while self.calls:
                call, head = self.calls.pop(0)
                is_token = any(value.endswith(b"/token") for _, value in head)
                self.maps[CALL_RESPONSE] = [(b":status", b"201")] if is_token else []
                self.body = self.token_answer if is_token else b""
                sizes = len(self.maps[CALL_RESPONSE]), len(self.body), 0
                self.callback("proxy_on_http_call_response", ROOT, call, *sizes)

    # What Envoy does in the life of a stream.

    def request(self, headers, body):
        """Begins a stream; whether it goes on to the apiserver."""
        self.begin()
        self.last_stream += 1
        self.replied = False
        self.callback("proxy_on_context_create", self.last_stream, ROOT)
        self.maps[REQUEST] = headers
        action = self.callback(
            "proxy_on_request_headers", self.last_stream, len(headers), int(not body)
        )
        if body and not self.replied:
            self.body = body
            action = self.callback("proxy_on_request_body", self.last_stream, len(body), 1)
        return action == CONTINUE and not self.replied

    def response(self, headers, body):
        self.begin()
        self.maps[RESPONSE] = headers
        self.callback("proxy_on_response_headers", self.last_stream, len(headers), 0)
        self.body = body
        self.callback("proxy_on_response_body", self.last_stream, len(body), 1)

    def end(self):
        self.begin()
        for name in ("proxy_on_done", "proxy_on_log", "proxy_on_delete"):
            self.callback(name, self.last_stream)

    def begin(self):
        self.store.set_fuel(FUEL)
        self.crossings, self.bytes_in, self.bytes_out = [], 0, 0

    def cost(self):
        """Of what was done last."""
        return {
            "crossings": self.crossings,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "instructions": FUEL - self.store.get_fuel(),
        }

    # The border.

    def callback(self, name, *arguments):
        """What Envoy calls only if it may."""
        if name not in self.allowed:
            return None
        self.crossings.append(f"> {name}")
        return self.exports[name](self.store, *arguments)

    def import_(self, name, kind):
        def called(*arguments):
            self.crossings.append(f"< {name}")
            if name not in self.allowed:
                raise RuntimeError(f"{name} is not allowed by envoy/ecds.yaml")
            status = getattr(self, name, self.accept)(*arguments)
            if kind.results:
                return OK if status is None else status
            return None

        return called

    def read(self, at, size):
        self.bytes_out += size
        return bytes(self.exports["memory"].read(self.store, at, at + size))

    def write(self, at, data):
        self.exports["memory"].write(self.store, data, at)

    def give(self, data, at, size_at):
        """Into room that the filter makes for it."""
        self.bytes_in += len(data)
        self.crossings.append("> proxy_on_memory_allocate")
        room = self.exports["proxy_on_memory_allocate"](self.store, len(data))
        self.write(room, data)
        self.write(at, struct.pack("<I", room))
        self.write(size_at, struct.pack("<I", len(data)))

    def next_id(self):
        self.last_id += 1
        return self.last_id

    # What the filter asks for, by its name.

    def accept(self, *_):
        """Of no consequence here: a timer, a metric, a property that is set."""

    def proxy_log(self, _, at, size):
        self.log.append(self.read(at, size).decode())

    def proxy_get_current_time_nanoseconds(self, at):
        self.write(at, struct.pack("<Q", NOW))

    def clock_time_get(self, _clock, _precision, at):
        self.write(at, struct.pack("<Q", NOW))

    def random_get(self, at, size):
        self.write(at, b"\7" * size)

    def environ_sizes_get(self, count_at, size_at):
        self.write(count_at, bytes(4))
        self.write(size_at, bytes(4))

    def proxy_define_metric(self, _kind, _at, _size, id_at):
        self.write(id_at, struct.pack("<I", self.next_id()))

    def proxy_get_property(self, path, size, at, size_at):
        if self.read(path, size) != b"plugin_vm_id":
            return NOT_FOUND
        return self.give(b"keyhole", at, size_at)

    def proxy_get_buffer_bytes(self, kind, start, most, at, size_at):
        data = self.configuration if kind == PLUGIN_CONFIGURATION else self.body
        return self.give(data[start : start + most % 2**32], at, size_at)

    def proxy_get_header_map_pairs(self, kind, at, size_at):
        return self.give(pairs(self.maps.get(kind, [])), at, size_at)

    def proxy_set_header_map_pairs(self, kind, at, size):
        self.maps[kind] = read_pairs(self.read(at, size))

    def proxy_send_local_response(self, _code, _why, _length, body, size, headers, length, _grpc):
        self.read(body, size)
        self.read(headers, length)
        self.replied = True

    def proxy_http_call(self, _at, _size, headers, length, body, size, _t, _tn, _ms, id_at):
        self.read(body, size)
        call = self.next_id()
        self.calls.append((call, read_pairs(self.read(headers, length))))
        self.write(id_at, struct.pack("<I", call))

    def proxy_get_shared_data(self, key, size, at, size_at, version_at):
        found = self.shared.get(self.read(key, size))
        if not found:
            return NOT_FOUND
        self.give(found[0], at, size_at)
        return self.write(version_at, struct.pack("<I", found[1]))

    def proxy_set_shared_data(self, key, size, value, length, _version):
        self.shared[self.read(key, size)] = (self.read(value, length), self.next_id())


def load(path):
    config = Config()
    config.consume_fuel = True
    engine = Engine(config)
    return engine, Module.from_file(engine, path)


def pairs(headers):
    """As a header list crosses: their number, the sizes of each name and value, then these."""
    sizes = b"".join(struct.pack("<II", len(name), len(value)) for name, value in headers)
    texts = b"".join(name + b"\0" + value + b"\0" for name, value in headers)
    return struct.pack("<I", len(headers)) + sizes + texts


def read_pairs(data):
    (count,) = struct.unpack_from("<I", data)
    sizes = struct.unpack_from(f"<{2 * count}I", data, 4)
    at, texts = 4 + 8 * count, []
    for size in sizes:
        texts.append(data[at : at + size])
        at += size + 1
    return list(zip(texts[::2], texts[1::2]))


def indented(text):
    return "".join(f"  {line}\n" for line in text.splitlines())
