// The page: who is signed in, what is shown, and the keys.

import { composer } from "./ask.js"
import { List } from "./list.js"
import { article, Reader } from "./reader.js"
import { call, get, on, Refused, watch } from "./relay.js"
import { byId, el, notice, say } from "./words.js"

const main = byId("main")
const search = byId("search")
const signIn = byId("sign-in")
/** @type {Reader | undefined} */
let reader
let ended = new AbortController()

const list = new List((answer, id) => {
	if (id !== reader?.answer.id) return
	if (answer) reader.update(answer)
	else reader.gone("This answer was forgotten.")
})

/** The answers of the same conversation, oldest first. @param {Answer} answer */
function thread({ conversation }) {
	const all = [...list.answers.values()].filter((one) => conversation && one.conversation === conversation)
	return all.sort((a, b) => (a.created_at < b.created_at ? -1 : 1))
}

async function route() {
	const { hash } = location
	const [, place, id = ""] = hash.split("/")
	reader?.close()
	reader = undefined
	document.body.dataset.at = place || "list"
	list.select(id)
	document.title = "Towline"
	if (place === "new") {
		const form = composer()
		main.replaceChildren(article("Ask", form))
		form.querySelector("textarea")?.focus()
	} else if (place === "answer") {
		try {
			const answer = list.answers.get(id) ?? (await get(`/towline/v1/jobs/${id}`))
			if (location.hash !== hash) return
			reader = new Reader(main, answer, () => thread(answer))
			main.querySelector("h2").focus({ preventScroll: true })
			document.title = `${answer.name} – Towline`
		} catch (error) {
			main.replaceChildren(article("Not here", el("p", {}, String(error))))
		}
	} else {
		main.replaceChildren(el("p", { class: "none" }, "An answer that is chosen is shown here."))
	}
}

document.addEventListener("keydown", (event) => {
	const target = /** @type {HTMLElement} */ (event.target)
	const inField = target.matches("input, textarea, select")
	if (event.key === "Escape" && inField) return target.blur()
	if (inField || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return
	if (event.key === "/") search.focus()
	else if (event.key === "n") location.hash = "#/new"
	else if (event.key === "Escape") location.hash = "#/"
	else return
	event.preventDefault()
})
search.addEventListener("input", () => list.search(search.value))

on.signedOut = () => {
	ended.abort()
	reader?.close()
	byId("app").hidden = true
	signIn.hidden = false
}

const exchange = (token) => call("POST", "/towline/v1/session", { body: { token } }).then(begin)

signIn.addEventListener("submit", (event) => {
	event.preventDefault()
	const field = signIn.querySelector("input")
	exchange(field.value).catch(notice)
	field.value = ""
})

/** Shows the answers, from now on. */
function begin() {
	signIn.hidden = true
	byId("app").hidden = false
	ended = new AbortController()
	const line = byId("line")
	const watcher = {
		tell: list.tell.bind(list),
		removed: list.removed.bind(list),
		only: list.only.bind(list),
		connected(is) {
			if (is && list.answers.size === 0) list.search(search.value)
			line.hidden = is
			say(line, is ? "" : "The relay is out of reach. The answers run on there.")
		},
	}
	watch(watcher, ended.signal)
	route()
}

/** A token in the address leaves it at once. */
function takeToken() {
	const token = location.hash.slice(1)
	if (token === "" || token.startsWith("/")) return false
	history.replaceState(null, "", "/")
	exchange(token).catch((error) => {
		notice(error)
		if (error instanceof Refused) on.signedOut()
	})
	return true
}

window.addEventListener("hashchange", () => takeToken() || route())
if (!takeToken()) begin()
