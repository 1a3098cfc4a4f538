"""The functions of the package: those of one client of the server that ``OLLAMA_HOST`` names."""

from ._sync import Client

client = Client()

generate = client.generate
chat = client.chat
embed = client.embed
embeddings = client.embeddings
systemone = client.systemone
pull = client.pull
push = client.push
create = client.create
delete = client.delete
list = client.list
copy = client.copy
show = client.show
ps = client.ps
web_search = client.web_search
web_fetch = client.web_fetch
