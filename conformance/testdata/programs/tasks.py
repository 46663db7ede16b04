"""asyncio: tasks, groups, queues, locks, timeouts, cancellation, asynchronous iterators."""
import asyncio
from contextlib import asynccontextmanager


async def worker(name, queue, results, lock):
    while (job := await queue.get()) is not None:
        await asyncio.sleep(0.001 * job)
        async with lock:
            results.append((name, job))
        queue.task_done()


async def pipeline():
    queue, results, lock = asyncio.Queue(maxsize=3), [], asyncio.Lock()
    workers = [asyncio.create_task(worker(f"w{i}", queue, results, lock)) for i in range(2)]
    for job in (3, 1, 2, 1, 1):
        await queue.put(job)
    await queue.join()
    for _ in workers:
        await queue.put(None)
    await asyncio.gather(*workers)
    return sorted(job for _, job in results), {name for name, _ in results} <= {"w0", "w1"}


async def failing(after, error):
    await asyncio.sleep(after)
    raise error


async def groups():
    started = []

    async def patient():
        started.append("patient")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            started.append("cancelled")
            raise

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(patient())
            group.create_task(failing(0.001, ValueError("early")))
    except* ValueError as several:
        print("group:", several.exceptions, started)
    outcome = await asyncio.gather(failing(0, KeyError("k")), asyncio.sleep(0, "fine"), return_exceptions=True)
    print("gather:", outcome)


async def timeouts():
    try:
        async with asyncio.timeout(0.001) as scope:
            await asyncio.sleep(60)
    except TimeoutError:
        print("timeout:", scope.expired())
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.001)
    except TimeoutError as error:
        print("wait_for:", type(error).__name__)
    done, pending = await asyncio.wait([asyncio.create_task(asyncio.sleep(s, s)) for s in (0, 60)], timeout=0.01)
    print("wait:", [task.result() for task in done], len(pending))
    for task in pending:
        task.cancel("enough")
    print(await asyncio.gather(*pending, return_exceptions=True))


@asynccontextmanager
async def resource(log):
    log.append("open")
    try:
        yield log
    finally:
        await asyncio.sleep(0)
        log.append("close")


async def ticks(n):
    for i in range(n):
        yield i
        await asyncio.sleep(0)


async def main():
    print(await pipeline())
    await groups()
    await timeouts()
    async with resource([]) as log:
        log.extend([i async for i in ticks(3)])
    print(log, {i: i**2 async for i in ticks(3) if i}, [await asyncio.sleep(0, i) for i in range(2)])
    order = []

    async def step(name, semaphore):
        async with semaphore:
            order.append(name)
            await asyncio.sleep(0)

    semaphore = asyncio.Semaphore(2)
    await asyncio.gather(*(step(n, semaphore) for n in "abcd"))
    print("".join(order), await asyncio.shield(asyncio.sleep(0, "shielded")))
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_later(0.001, future.set_result, "later")
    loop.call_soon(order.append, "soon")
    print(await future, order[-1], asyncio.current_task().get_coro().__name__)


asyncio.run(main())
for wrong in (lambda: asyncio.run(failing(0, LookupError("out"))), lambda: asyncio.get_running_loop(), lambda: asyncio.run(5)):
    try:
        wrong()
    except Exception as error:
        print(type(error).__name__, error)
