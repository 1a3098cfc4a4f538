// The page: sign-in, navigation and keys.

import { composer } from "./ask.js"
import { List } from "./list.js"
import { article, conversation, Reader } from "./reader.js"
import { call, get, on, Refused, watch } from "./relay.js"
import { byId, el, notice } from "./words.js"

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

async function route() {
	const { hash } = location
	const [, place = "", id = ""] = hash.split("/")
	reader?.close()
	reader = undefined
	document.body.dataset.at = place || "list"
	list.select(hash)
	document.title = "Towline"
	try {
		if (place === "answer") {
			const answer = list.answers.get(id) ?? (await get(`/towline/v1/jobs/${id}`))
			if (location.hash === hash) reader = new Reader(main, answer, () => list.thread(answer))
		} else if (place === "history") {
			const shown = conversation(await get(`/towline/v1/history/${id}`))
			if (location.hash === hash) main.replaceChildren(shown)
		} else if (place === "new") main.replaceChildren(article("Ask", composer()))
		else main.replaceChildren(el("p", { class: "none" }, "Choose an answer."))
	} catch (error) {
		main.replaceChildren(article("Not here", el("p", {}, String(error))))
	}
	const heading = main.querySelector("h2")
	if (heading) document.title = `${heading.textContent} – Towline`
	;(place === "new" ? main.querySelector("textarea") : heading)?.focus({ preventScroll: true })
}

document.addEventListener("keydown", (event) => {
	const field = document.activeElement
	const inField = field instanceof HTMLElement && field.matches("input, textarea, select")
	if (event.key === "Escape" && inField) return field.blur()
	if (inField || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return
	if (event.key === "/") search.focus()
	else if (event.key === "n") location.hash = "#/new"
	else if (event.key === "Escape") location.hash = "#/"
	else return
	event.preventDefault()
})
search.addEventListener("input", () => list.search(search.value).catch(notice))

on.signedOut = () => {
	ended.abort()
	reader?.close()
	byId("app").hidden = true
	signIn.hidden = false
}

const exchange = (token = "") => call("POST", "/towline/v1/session", { body: { token } }).then(begin)

signIn.addEventListener("submit", (/** @type {Event} */ event) => {
	event.preventDefault()
	exchange(signIn.querySelector("input").value).catch(notice)
	signIn.querySelector("form").reset()
})

/** Shows the answers. */
function begin() {
	signIn.hidden = true
	byId("app").hidden = false
	ended = new AbortController()
	for (const answer of JSON.parse(byId("first").textContent ?? "")) list.update(answer)
	list.paint()
	watch(list, ended.signal)
	list.search(search.value).catch(() => {})
	route()
}

/** Takes a token out of the address at once. */
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
