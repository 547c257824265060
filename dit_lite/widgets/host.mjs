// The stand-in for a kernel in a static page: state and change events.
const place = document.getElementById("EXPLORER_ID");
const state = JSON.parse(place.querySelector("script").textContent, (_, value) =>
  value?.dtype
    ? {
        ...value,
        data: new DataView(
          Uint8Array.from(atob(value.data), c => c.charCodeAt(0)).buffer,
        ),
      }
    : value,
);
const listeners = {};
const model = {
  get: key => state[key],
  set(key, value) {
    if (state[key] === value) return;
    state[key] = value;
    (listeners["change:" + key] ?? []).forEach(call => call());
  },
  on: (event, call) => (listeners[event] ??= []).push(call),
  off() {},
  save_changes() {},
};
render({ model, el: place });
