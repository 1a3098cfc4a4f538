// The work of the page's main thread, from the browser's trace.

const CATEGORIES = ["toplevel", "__metadata", "disabled-by-default-devtools.timeline.frame"]

/**
 * Runs `work` while the page is traced. Times in milliseconds: of its longest task, by the clock and in processor time, and the
 * processor time of all tasks. `frames` is the number of the main thread's frames a second.
 */
export async function traced(page, work) {
  const session = await page.context().newCDPSession(page)
  const events = []
  session.on("Tracing.dataCollected", ({ value }) => events.push(...value))
  await session.send("Tracing.start", { transferMode: "ReportEvents", traceConfig: { includedCategories: CATEGORIES } })
  const began = performance.now()
  await work()
  const wall = performance.now() - began
  const complete = new Promise((resolve) => session.once("Tracing.tracingComplete", resolve))
  await session.send("Tracing.end")
  await complete
  const pid = rendererOf(events)
  const main = events.find((event) => event.name === "thread_name" && event.args.name === "CrRendererMain" && event.pid === pid)
  const tasks = events.filter((event) => event.ph === "X" && event.name === "ThreadControllerImpl::RunTask" && event.pid === pid && event.tid === main.tid)
  const times = tasks.map((task) => (task.tdur ?? task.dur) / 1000)
  const frames = events.filter((event) => event.name === "BeginMainThreadFrame" && event.pid === pid).length
  return {
    tasks: times.length,
    longest: Math.max(...tasks.map((task) => task.dur / 1000)),
    longestBusy: Math.max(...times),
    busy: times.reduce((sum, time) => sum + time, 0),
    frames: (frames * 1000) / wall,
    wall,
  }
}

/** The process with the busiest main thread is the page's. */
function rendererOf(events) {
  const mains = events.filter((event) => event.name === "thread_name" && event.args.name === "CrRendererMain")
  const busy = (main) => events.filter((event) => event.pid === main.pid && event.tid === main.tid).length
  return mains.sort((a, b) => busy(b) - busy(a))[0].pid
}
