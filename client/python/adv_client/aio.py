"""The client for asyncio: Client's methods, to be awaited or iterated."""

from __future__ import annotations

from types import TracebackType
from typing import (Any, AsyncGenerator, Callable, Concatenate, Coroutine,
                    Optional, ParamSpec, TypeVar, Union)

import grpc
import grpc.aio

from adv_client import calls, channel
from adv_client.calls import Call, Page, Stream
from adv_client.channel import Tls
from adv_client.errors import told_apart
from adv_client.methods import described_by
from adv_client.results import Event
from adv_client.v1 import evaluation_pb2

P = ParamSpec("P")
T = TypeVar("T")


def _answer(build: Callable[P, Call[T]]
            ) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    @described_by(build)
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs
                     ) -> T:
        return await self._answer(build(*args, **kwargs))
    return method


def _items(build: Callable[P, Call[Page[T]]]
           ) -> Callable[Concatenate[AsyncClient, P],
                         AsyncGenerator[T, None]]:
    @described_by(build)
    def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs
               ) -> AsyncGenerator[T, None]:
        return self._items(build(*args, **kwargs))
    return method


def _messages(build: Callable[P, Stream[T]]
              ) -> Callable[Concatenate[AsyncClient, P],
                            AsyncGenerator[T, None]]:
    @described_by(build)
    def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs
               ) -> AsyncGenerator[T, None]:
        return self._messages(build(*args, **kwargs))
    return method


def _evaluation(build: Callable[P, Stream[Event]]
                ) -> Callable[Concatenate[AsyncClient, P],
                              Coroutine[Any, Any, evaluation_pb2.Evaluation]]:
    @described_by(build)
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs
                     ) -> evaluation_pb2.Evaluation:
        evaluation = evaluation_pb2.Evaluation()
        async for event in self._messages(build(*args, **kwargs)):
            evaluation = event.evaluation
        return evaluation
    return method


class AsyncClient:
    """Calls of one server, for the event loop in which it was made."""

    def __init__(self, address: str, *, tls: Union[bool, Tls] = False,
                 token: Optional[str] = None, credentials: Any = None,
                 attempts: int = channel.ATTEMPTS) -> None:
        """As Client's."""
        place = channel.checked(address)
        credentials, more, self._metadata = channel.secured(
            place, credentials, tls, token)
        options = channel.options(attempts) + more
        self._channel = (
            grpc.aio.insecure_channel(place, options) if credentials is None
            else grpc.aio.secure_channel(place, credentials, options))

    async def close(self) -> None:
        await self._channel.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, kind: Optional[type[BaseException]],
                        error: Optional[BaseException],
                        trace: Optional[TracebackType]) -> None:
        await self.close()

    classify = _answer(calls.classify)
    generate_adversarial = _answer(calls.generate_adversarial)
    evaluate = _evaluation(calls.evaluate)
    watch = _messages(calls.evaluate)
    get_evaluation = _answer(calls.get_evaluation)
    list_evaluations = _items(calls.list_evaluations)
    cancel_evaluation = _answer(calls.cancel_evaluation)
    delete_evaluation = _answer(calls.delete_evaluation)
    list_evaluation_records = _items(calls.list_evaluation_records)
    list_models = _answer(calls.list_models)
    get_model = _answer(calls.get_model)
    reload_models = _answer(calls.reload_models)
    set_model_alias = _answer(calls.set_model_alias)
    delete_model_alias = _answer(calls.delete_model_alias)
    list_model_aliases = _answer(calls.list_model_aliases)
    get_server_info = _answer(calls.get_server_info)
    check_health = _answer(calls.check_health)
    watch_health = _messages(calls.watch_health)

    async def _answer(self, call: Call[T]) -> T:
        invoke = self._channel.unary_unary(
            call.method, type(call.request).SerializeToString,
            call.reply.FromString)
        with told_apart():
            return call.decode(await invoke(call.request,
                                            timeout=call.timeout,
                                            metadata=self._metadata))

    async def _items(self, first: Call[Page[T]]) -> AsyncGenerator[T, None]:
        call: Optional[Call[Page[T]]] = first
        while call is not None:
            page = await self._answer(call)
            for item in page.items:
                yield item
            call = page.following

    async def _messages(self, call: Stream[T]) -> AsyncGenerator[T, None]:
        invoke = self._channel.unary_stream(
            call.method, type(call.request).SerializeToString,
            call.reply.FromString)
        with told_apart():
            replies = invoke(call.request, timeout=call.timeout,
                             metadata=self._metadata)
            try:
                async for reply in replies:
                    yield call.decode(reply)
            finally:
                replies.cancel()


def connect_async(address: str = "localhost:50051", *,
                  tls: Union[bool, Tls] = False, token: Optional[str] = None,
                  credentials: Any = None,
                  attempts: int = channel.ATTEMPTS) -> AsyncClient:
    """An AsyncClient of the server at HOST:PORT; to be called in a coroutine.
    Connects at the first call."""
    return AsyncClient(address, tls=tls, token=token, credentials=credentials,
                       attempts=attempts)
