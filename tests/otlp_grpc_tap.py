"""The tap of `otlp_tap` for OTLP over gRPC: keeps the messages and passes them on as they are."""

from __future__ import annotations

from concurrent import futures
from typing import Any

import grpc
from otlp_tap import Relayed

# Which OTLP path a gRPC service is the other form of.
_PATHS = {"TraceService": "/v1/traces", "LogsService": "/v1/logs", "MetricsService": "/v1/metrics"}


class GrpcTap(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Listens on loopback and relays to `collector` (host:port); a context manager."""

    def __init__(self, collector: str) -> None:
        self.relayed: list[Relayed] = []
        self._channel = grpc.insecure_channel(collector)
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers((self,))
        self._port = self._server.add_insecure_port("127.0.0.1:0")

    @property
    def url(self) -> str:
        """The endpoint to give an emitter."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> GrpcTap:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(5).wait()
        self._channel.close()

    def service(self, handler_call_details: Any) -> Any:
        """How a method is answered: as the collector does."""
        method = handler_call_details.method
        forward = self._channel.unary_unary(method)
        path = next((path for name, path in _PATHS.items() if f".{name}/" in method), method)

        def relay(body: bytes, context: Any) -> bytes:
            try:
                answer = forward(body, timeout=60)
            except grpc.RpcError as error:
                self.relayed.append(Relayed(path, body, int(error.code().value[0])))
                context.abort(error.code(), error.details())
            self.relayed.append(Relayed(path, body, 200))
            return bytes(answer)

        return grpc.unary_unary_rpc_method_handler(relay)
