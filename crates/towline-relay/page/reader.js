// One answer: read live from its stream, and ordered about.

import { canContinue, composer } from "./ask.js"
import { Paper } from "./paper.js"
import { Records } from "./records.js"
import { call, get, order, read } from "./relay.js"
import { ask, copy, el, ending, facts, isEnded, notice, say, sayState } from "./words.js"

/** So near to its end a reader follows the answer, in pixels. */
const NEAR = 48
/** So much is taken of a stream in one frame. */
const FRAME_BYTES = 1 << 17

/** What the page shows beside the list. @param {string} title @param {Node[]} inside */
export function article(title, ...inside) {
	const back = el("a", { class: "button back", href: "#/", "aria-label": "Back to the answers" }, "‹")
	return el("article", {}, el("header", {}, back, el("h2", { tabindex: "-1" }, el("bdi", {}, title))), ...inside)
}

export class Reader {
	text = ""
	#stop = new AbortController()
	#isAsked = false
	#isFollowing = true
	#top = 0
	#isRead = false
	#isOver = false
	#state = el("span", { class: "state" })
	#facts = el("p", { class: "facts" })
	#question = el("p", { class: "asked", dir: "auto" })
	#buttons = el("div", { class: "buttons", role: "toolbar", "aria-label": "Control" })
	#thought = el("div", { class: "thought", dir: "auto" })
	#thinking = el("details", { class: "thinking", hidden: true }, el("summary", {}, "Thinking"), this.#thought)
	#body = el("div", { class: "paper" })
	#line = el("p", { class: "line", role: "status" })
	#ending = el("p", { class: "ending", role: "status" })
	#more = el("div")
	#newest = el("button", { type: "button", class: "newest", hidden: true, click: () => this.#follow() }, "↓ Newest")
	#waiting = { thinking: "", note: "" }
	/** Bytes that came since the last frame. @type {Uint8Array[]} */
	#pieces = []

	/** `root` is what scrolls, too. @param {HTMLElement} root @param {Answer} answer @param {() => Answer[]} thread */
	constructor(root, answer, thread) {
		this.root = root
		this.answer = answer
		this.thread = thread
		const shown = article(answer.name, this.#facts, this.#question, this.#buttons, this.#thinking, this.#body, this.#ending, this.#line, this.#more)
		shown.querySelector("header")?.append(this.#state)
		root.replaceChildren(shown, this.#newest)
		root.scrollTop = 0
		root.addEventListener("scroll", () => this.#scrolled(), { passive: true, signal: this.#stop.signal })
		new ResizeObserver(() => this.#isFollowing && !this.#isOver && this.#follow()).observe(shown)
		this.#makeButtons()
		this.again()
		this.update(answer)
		read(answer.id, this, this.#stop.signal)
	}

	close() {
		this.#stop.abort()
	}

	again() {
		this.#body.textContent = this.#thought.textContent = this.text = ""
		this.#pieces = []
		this.records = new Records(this.answer.content_type ?? "")
		this.paper = new Paper(this.#body)
	}

	bytes(piece) {
		for (let at = 0; at < piece.length; at += FRAME_BYTES) this.#pieces.push(piece.subarray(at, at + FRAME_BYTES))
		this.#ask()
	}

	async end() {
		this.#isRead = true
		this.#ask()
		if (!this.#isOver) await get(`/towline/v1/jobs/${this.answer.id}`).then((answer) => this.update(answer), () => {})
	}

	gone(why) {
		say(this.#line, why)
	}

	connected(is) {
		say(this.#line, is ? "" : "The relay is out of reach. The answer runs on there, and is read from here on once it is back.")
	}

	#take(parts) {
		for (const { kind, text } of parts) {
			if (kind === "text") {
				this.text += text
				this.paper?.add(text)
			} else if (kind === "thinking" || kind === "tool") this.#waiting.thinking += text
			else this.#waiting.note = text
		}
	}

	#ask() {
		if (!this.#isAsked) requestAnimationFrame(() => this.#paint())
		this.#isAsked = true
	}

	#paint() {
		this.#isAsked = false
		if (this.#stop.signal.aborted) return
		for (let bytes = 0, piece; bytes < FRAME_BYTES && (piece = this.#pieces.shift()); bytes += piece.length) this.#take(this.records?.push(piece))
		const isLast = this.#isRead && this.#pieces.length === 0
		if (isLast) this.#take(this.records?.end())
		const { thinking, note } = this.#waiting
		this.#waiting = { thinking: "", note: "" }
		if (thinking) this.#thought.append(thinking)
		if (thinking) this.#thinking.hidden = false
		if (note) say(this.#line, note)
		const isAll = this.paper?.paint()
		if (!isAll || this.#pieces.length > 0) this.#ask()
		else if (isLast) this.paper?.end()
	}

	#scrolled() {
		const { scrollHeight, clientHeight, scrollTop } = this.root
		// Only its reader scrolls back; what grows does not.
		if (scrollHeight - clientHeight - scrollTop < NEAR) this.#isFollowing = true
		else if (scrollTop < this.#top) this.#isFollowing = false
		this.#top = scrollTop
		this.#newest.hidden = this.#isFollowing || this.#isOver
	}

	#follow() {
		this.root.scrollTop = this.root.scrollHeight
		this.#scrolled()
	}

	/** @param {Answer} answer */
	update(answer) {
		this.answer = answer
		const wasOver = this.#isOver
		this.#isOver = isEnded(answer)
		say(/** @type {Node} */ (this.root.querySelector("h2 bdi")), answer.name)
		sayState(this.#state, answer)
		say(this.#facts, facts(answer))
		say(this.#question, answer.question ?? "")
		const states = ["always", this.#isOver ? "ended" : "running", answer.state === "paused" ? "paused" : this.#isOver ? "" : "reading", answer.has_request && "kept"]
		for (const button of this.#buttons.querySelectorAll("button")) button.hidden = !states.includes(button.dataset.when ?? "")
		if (!this.#isOver) return
		this.#newest.hidden = true
		say(this.#ending, ending(answer))
		this.#ending.dataset.state = answer.state
		if (!wasOver) this.#offerMore()
	}

	#offerMore() {
		const others = this.thread()
		const links = others.map((one) => {
			const link = el("a", { href: `#/answer/${one.id}` }, one.question ?? one.name)
			if (one.id === this.answer.id) link.setAttribute("aria-current", "page")
			return el("li", {}, link)
		})
		if (links.length > 1) this.#more.append(el("nav", { "aria-label": "Conversation", class: "thread" }, el("h3", {}, "Conversation"), el("ol", {}, ...links)))
		if (canContinue(this.answer)) this.#more.append(composer({ answer: this.answer, text: () => this.text }))
	}

	#makeButtons() {
		const add = (name, when, does) => {
			const click = async () => {
				button.disabled = true
				await does(button).catch(notice)
				button.disabled = false
			}
			const button = el("button", { type: "button", "data-when": when, click }, name)
			this.#buttons.append(button)
			return button
		}
		const told = async (name, body) => this.update(await order(this.answer.id, name, body))
		add("Stop", "running", () => told("cancel", { reason: "from the page" })).classList.add("stop")
		add("Pause", "reading", () => told("pause"))
		add("Unpause", "paused", () => told("unpause"))
		add("+5 min", "running", () => told("deadline", this.answer.deadline_s == null ? { in_s: 300 } : { extend_s: 300 }))
		add("No limit", "running", () => told("deadline", { none: true }))
		add("Copy", "always", (button) => copy(this.text, button))
		add("Retry", "kept", async () => (location.hash = `#/answer/${(await order(this.answer.id, "retry")).id}`))
		add("Rename", "always", async () => {
			const name = await ask({ title: "Rename the answer", yes: "Rename", value: this.answer.name })
			if (name !== null) await told("rename", { name })
		})
		add("Forget", "ended", async () => {
			const text = `“${this.answer.name}” and its record are deleted. This cannot be undone.`
			if ((await ask({ title: "Forget the answer?", text, yes: "Forget" })) === null) return
			await call("DELETE", `/towline/v1/jobs/${this.answer.id}`)
			location.hash = "#/"
		})
	}
}
