"""The event loop of the sandbox: there is nothing to wait for but time, and time is virtual.

The sandbox has no sockets, signals, processes or threads. Coroutines, tasks, timeouts, queues and locks work as
everywhere; what would need one of the others raises an error that says so.
"""

import time

from . import base_events, events

__all__ = ("SelectorEventLoop", "DefaultEventLoopPolicy", "EventLoop")


class _Clock:
    """Stands where a selector would: it waits for the next timer."""

    def select(self, timeout):
        if timeout is None:
            raise RuntimeError("deadlock: every task waits for something that nothing is left to do")
        if timeout > 0:
            time.sleep(timeout)
        return ()


class SelectorEventLoop(base_events.BaseEventLoop):
    def __init__(self):
        super().__init__()
        self._selector = _Clock()

    def _process_events(self, event_list):
        pass

    def _write_to_self(self):
        pass  # would wake the loop for another thread

    def run_in_executor(self, executor, func, *args):
        """Call func now: there are no threads to do it meanwhile."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class _DefaultEventLoopPolicy(events.BaseDefaultEventLoopPolicy):
    _loop_factory = SelectorEventLoop


DefaultEventLoopPolicy = _DefaultEventLoopPolicy
EventLoop = SelectorEventLoop
