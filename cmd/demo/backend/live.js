"use strict";
const by = id => document.getElementById(id);
by("live").hidden = false;

let events;
by("stream").addEventListener("click", () => {
  if (events) {
    events.close();
    events = undefined;
    by("stream").textContent = "Start the stream";
    return;
  }
  events = new EventSource("/events");
  events.onmessage = event => by("tick").value = event.data;
  events.onerror = () => by("tick").value = "interrupted, trying again";
  by("stream").textContent = "Stop the stream";
});

let socket;
const connect = () => new Promise((resolve, reject) => {
  if (socket && socket.readyState === WebSocket.OPEN) return resolve(socket);
  socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/ws");
  socket.onopen = () => resolve(socket);
  socket.onerror = () => reject(new Error("no connection"));
  socket.onmessage = event => by("answer").value = event.data;
  socket.onclose = event => { if (event.reason) by("answer").value = "closed: " + event.reason; };
});
by("talk").addEventListener("submit", event => {
  event.preventDefault();
  connect().then(s => s.send(by("message").value)).catch(error => by("answer").value = error.message);
});
