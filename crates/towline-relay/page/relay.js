// What the page asks the relay.

/** A request that the relay refused, in its words. */
export class Refused extends Error {
	constructor(status, message) {
		super(message)
		this.status = status
	}
}

export const on = { signedOut() {} }

/**
 * A request. Forms cannot send the header `Towline-Page`, without which the relay changes nothing for a cookie.
 * @param {string} method @param {string} path
 * @param {{body?: unknown, headers?: Record<string, string>, signal?: AbortSignal}} [more]
 */
export async function call(method, path, { body, headers, signal } = {}) {
	const response = await fetch(path, {
		method,
		headers: { "Towline-Page": "true", ...headers },
		body: body === undefined ? null : JSON.stringify(body),
		signal: signal ?? null,
		cache: "no-store",
	})
	if (response.ok) return response
	// Where something between the page and the relay answered, it may be no JSON.
	const { error } = await response.json().catch(() => ({}))
	if (response.status === 401) on.signedOut()
	throw new Refused(response.status, error?.message ?? error ?? `the relay answered ${response.status}`)
}

export const get = async (path, signal) => (await call("GET", path, { signal })).json()

export const order = async (id, order, body) => (await call("POST", `/towline/v1/jobs/${id}/${order}`, { body })).json()

/** Resolves at the first of these events, of `signal`'s end, or after `time`. */
function first(targets, signal, time) {
	return new Promise((resolve) => {
		const own = new AbortController()
		const done = () => {
			own.abort()
			resolve(undefined)
		}
		for (const [target, name] of [...targets, [signal, "abort"]]) target.addEventListener(name, done, { signal: own.signal })
		if (time) setTimeout(done, time)
	})
}

/**
 * Does `once` until it says that it is done, or `signal` does: while the page is seen, and over as many connections as it takes.
 * @param {AbortSignal} signal
 * @param {(is: boolean) => void} connected
 * @param {(signal: AbortSignal, came: () => void) => Promise<boolean>} once Calls `came` whenever something has come.
 */
async function keep(signal, connected, once) {
	let pause = 250
	while (!signal.aborted) {
		if (document.hidden) {
			await first([[document, "visibilitychange"]], signal)
			continue
		}
		const own = new AbortController()
		const stop = () => (document.hidden || !navigator.onLine || signal.aborted) && own.abort()
		document.addEventListener("visibilitychange", stop, { signal: own.signal })
		window.addEventListener("offline", stop, { signal: own.signal })
		signal.addEventListener("abort", stop, { signal: own.signal })
		try {
			const came = () => {
				pause = 250
				connected(true)
			}
			if (await once(own.signal, came)) return
			continue
		} catch (error) {
			if (error instanceof Refused && error.status === 401) return
		} finally {
			own.abort()
		}
		if (signal.aborted || document.hidden) continue
		connected(false)
		await first([[window, "online"], [document, "visibilitychange"]], signal, pause)
		pause = Math.min(2 * pause, 5000)
	}
}

/** @param {Response} response @returns {AsyncGenerator<Uint8Array>} */
async function* pieces(response) {
	const reader = response.body?.getReader()
	for (;;) {
		const { done, value } = (await reader?.read()) ?? { done: true }
		if (done || !value) return
		yield value
	}
}

const JOBS = "/towline/v1/jobs"

/** Watches the list of answers. @param {Watcher} watcher @param {AbortSignal} signal */
export async function watch(watcher, signal) {
	let isFirst = true
	await keep(signal, watcher.connected, async (own, came) => {
		if (!isFirst) {
			// What was removed meanwhile, nobody tells of.
			const { jobs } = await get(JOBS, own)
			watcher.only(new Set(jobs.map((job) => job.id)))
		}
		const response = await call("GET", `${JOBS}?watch=true`, { signal: own })
		isFirst = false
		came()
		const decoder = new TextDecoder()
		let rest = ""
		for await (const piece of pieces(response)) {
			came()
			const lines = (rest + decoder.decode(piece, { stream: true })).split("\n")
			rest = lines.pop() ?? ""
			for (const told of lines.map((line) => JSON.parse(line))) {
				if (told.removed) watcher.removed(told.removed)
				else watcher.tell(told)
			}
		}
		throw new Error("the relay ended the list")
	})
}

/** Reads an answer's stream from its beginning until it is closed, byte for byte. @param {string} id @param {StreamReader} reader */
export async function read(id, reader, signal) {
	let incarnation = ""
	let position = 0
	await keep(signal, (is) => reader.connected(is), async (own, came) => {
		const offset = incarnation ? `${incarnation}_${String(position).padStart(16, "0")}` : "-1"
		let response
		try {
			response = await call("GET", `/streams/${id}?offset=${offset}&live=raw`, { signal: own })
		} catch (error) {
			if (!(error instanceof Refused)) throw error
			if (error.status === 404) {
				reader.gone(error.message)
				return true
			}
			if (error.status === 410) {
				incarnation = ""
				position = 0
				reader.again()
			}
			throw error
		}
		incarnation = response.headers.get("stream-next-offset")?.split("_")[0] ?? ""
		came()
		if (response.headers.get("stream-closed") === "true") {
			reader.end()
			return true
		}
		for await (const piece of pieces(response)) {
			came()
			position += piece.length
			reader.bytes(piece)
		}
		// A body ends where the stream does, or where this reader lagged: the next request tells which.
		return false
	})
}
