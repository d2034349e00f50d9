// Drop anywhere, choose files: resumable uploads over tus, one after the other. State lives in the rows of #uploads;
// what a reload interrupted is remembered by fingerprint in localStorage and goes on when the file is chosen again.
(() => {
  "use strict";
  const zone = document.getElementById("drop-zone");
  if (!zone || !window.tus) return;
  const list = document.getElementById("uploads");
  const pattern = document.getElementById("upload-row").content;
  const { team, csrf, endpoint } = zone.dataset;
  const PIECES = 40;
  const MODELS = [".onnx", ".pt2", ".safetensors", ".json", ".ubj", ".txt", ".lgb", ".skops", ".pkl", ".pickle", ".joblib", ".model", ".bst",
    ".pt", ".pth", ".h5", ".keras"];
  const DATASETS = [".npz", ".zip", ".csv", ".gz", ".npy", ".tsv", ".txt", ".data", ".parquet", ".arff", ".svm", ".libsvm", ".svmlight"];
  const queue = [];
  let active = null;
  const rows = new Set();      // whose bytes are here, and whose inspection is not over

  const suffix = (name) => (name.match(/\.[^.]+$/) || [""])[0].toLowerCase();
  const kindOf = (name) => {                // a .txt is LightGBM's or a table: its person knows
    const [model, dataset] = [MODELS, DATASETS].map((endings) => endings.includes(suffix(name)));
    return model === dataset ? "" : model ? "model" : "dataset";
  };
  const mb = (bytes) => bytes < 2 ** 20 ? `${Math.max(1, Math.round(bytes / 1024)).toLocaleString("en-GB")}\u202fKiB`
    : `${(bytes / 2 ** 20).toLocaleString("en-GB", { maximumFractionDigits: bytes < 10 * 2 ** 20 ? 1 : 0 })}\u202fMiB`;
  const left = (seconds) => seconds < 90 ? `${Math.ceil(seconds)}\u202fs left` : `about ${Math.round(seconds / 60)}\u202fmin left`;
  const print = (file) => ["espalier", team, file.name, file.size, file.lastModified].join("|");

  class Row {
    constructor(file) {
      this.file = file;
      this.kind = kindOf(file.name);
      this.paused = this.lost = false;
      this.node = pattern.cloneNode(true).firstElementChild;
      this.find("name").textContent = file.name;
      this.find("pieces").append(...Array.from({ length: PIECES }, () => document.createElement("i")));
      this.find("pause").addEventListener("click", () => this.paused ? this.resume() : this.pause());
      this.find("drop").addEventListener("click", () => this.drop());
      list.append(this.node);
      this.ask();
    }

    find(part) { return this.node.querySelector(`[data-part="${part}"]`); }

    say(text, tone = "") {
      this.find("said").textContent = text;
      this.find("said").dataset.tone = tone;
    }

    // Most files say themselves what they are; only weights without an architecture, and unknown suffixes, need a word.
    ask() {
      const architecture = suffix(this.file.name) === ".safetensors";
      this.find("kind").textContent = this.kind;
      if (this.kind && !architecture) return enqueue(this);
      const form = this.find("ask");
      form.hidden = false;
      form.querySelector("[data-ask=architecture]").hidden = !architecture;
      form.querySelector("[data-ask=kind]").hidden = architecture;
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        form.hidden = true;
        this.kind = this.kind || form.elements.kind.value;
        this.options = architecture ? { architecture: form.elements.architecture.value } : {};
        this.find("kind").textContent = this.kind;
        enqueue(this);
      });
    }

    async start() {
      this.find("pause").hidden = false;
      this.say("");
      this.upload = new tus.Upload(this.file, {
        endpoint, chunkSize: 8 * 1024 * 1024, retryDelays: [0, 1000, 3000, 5000, 10000, 20000, 30000],
        headers: { "Espalier-Team": team, "X-CSRFToken": csrf },
        metadata: { filename: this.file.name, name: this.file.name, kind: this.kind, options: JSON.stringify(this.options || {}) },
        fingerprint: (file) => Promise.resolve(print(file)), removeFingerprintOnSuccess: true,
        onProgress: (sent, whole) => this.progress(sent, whole),
        onShouldRetry: (error) => this.retry(error),
        onError: (error) => this.failed(error),
        onSuccess: (payload) => this.done(payload && payload.lastResponse),
      });
      const earlier = await this.upload.findPreviousUploads();
      if (earlier.length) {
        this.upload.resumeFromPreviousUpload(earlier[0]);
        this.picked = true;
      }
      this.began = performance.now();
      this.upload.start();
    }

    progress(sent, whole) {
      if (this.from === undefined || this.lost) {
        this.from = sent;
        this.began = performance.now();
        if ((this.picked && sent > 0) || this.lost) this.say(`The connection was lost at ${mb(sent)} and picked up there.`);
        this.picked = this.lost = false;
      }
      const seconds = (performance.now() - this.began) / 1000;
      const speed = seconds > 0.5 ? (sent - this.from) / seconds : 0;
      const share = whole ? sent / whole : 1;
      this.find("pieces").childNodes.forEach((piece, n) => piece.classList.toggle("on", n < Math.floor(share * PIECES)));
      this.find("pieces").setAttribute("aria-valuenow", Math.floor(share * 100));
      this.find("share").textContent = `${Math.floor(share * 100)}\u202f%`;
      this.find("amount").textContent = `${mb(sent)} of ${mb(whole)}`;
      this.find("speed").textContent = speed > 0 && share < 1 ? `${mb(speed)}/s · ${left((whole - sent) / speed)}` : "";
    }

    retry(error) {
      const status = error.originalResponse ? error.originalResponse.getStatus() : 0;
      if (status >= 400 && status < 500 && status !== 409 && status !== 423 && status !== 429) return false;
      this.lost = true;
      this.say("The connection is lost. It goes on from here when the server answers.", "warn");
      return true;
    }

    failed(error) {
      const response = error.originalResponse;
      let problem = {};
      try { problem = JSON.parse(response.getBody()); } catch { /* not problem+json: the plain sentence stands */ }
      const words = [problem.detail, problem.hint].filter(Boolean).join(" ");
      this.say(words || "The server cannot be reached. Press resume to try again.", "bad");
      if (!response) { this.paused = true; this.find("pause").querySelector("span").textContent = "Resume"; }
      else { this.find("pause").hidden = true; localStorageForget(this.file); }
      next(this);
    }

    tell(words) {
      this.say(words);
      if (this.link) this.find("said").append(this.link);
    }

    inspected() {
      const shown = this.link && document.querySelector(`#asset-list a[href="${this.link.getAttribute("href")}"]`);
      const item = shown && shown.closest("li");
      if (!item || item.querySelector(".tag-running")) return;
      this.tell(item.querySelector(".tag-refused") ? "Refused; the list says why. " : "Inspected. ");
      rows.delete(this);
    }

    pause() {
      this.paused = true;
      if (this.upload) this.upload.abort();
      this.find("pause").querySelector("span").textContent = "Resume";
      this.find("speed").textContent = "paused";
      next(this);
    }

    resume() {
      this.paused = false;
      this.from = undefined;
      this.find("pause").querySelector("span").textContent = "Pause";
      enqueue(this);
    }

    async drop() {
      this.gone = true;
      if (this.upload && !this.finished) await this.upload.abort(true).catch(() => {});
      localStorageForget(this.file);
      this.node.remove();
      next(this);
    }

    done(response) {
      this.finished = true;
      this.find("pause").hidden = true;
      this.find("speed").textContent = "";
      const asset = response && response.getHeader("Espalier-Asset");
      if (asset) this.link = Object.assign(document.createElement("a"), { href: zone.dataset.asset.replace("00000000-0000-0000-0000-000000000000", asset), textContent: "Open it" });
      this.tell("All bytes are here; it is being inspected. ");
      rows.add(this);
      refresh(this.kind);
      next(this);
    }
  }

  // The list asks again while an inspection runs; what it shows at last is said beside the upload too.
  document.body.addEventListener("htmx:afterSettle", () => rows.forEach((row) => row.inspected()));

  function enqueue(row) {
    if (active && active !== row) {
      row.say("Waits for the one above.");
      queue.push(row);
      return;
    }
    active = row;
    row.start();
  }

  function next(row) {
    const waiting = queue.indexOf(row);
    if (waiting >= 0) queue.splice(waiting, 1);
    if (active !== row) return;
    active = null;
    const following = queue.shift();
    if (following) enqueue(following);
  }

  function localStorageForget(file) {
    for (const key of Object.keys(localStorage)) if (key.startsWith(`tus::${print(file)}::`)) localStorage.removeItem(key);
  }

  function refresh(kind) {
    const url = new URL(location.href);
    if (url.pathname === new URL(zone.dataset.library, url).pathname) url.searchParams.set("kind", kind);
    if (window.htmx) window.htmx.ajax("GET", url.pathname + url.search, { source: "#asset-list", target: "#asset-list", select: "#asset-list", swap: "outerHTML" });
    else location.assign(url);
  }

  // What an earlier visit left unfinished: only its file can bring it on, and browsers do not let a page keep one.
  for (const key of Object.keys(localStorage)) {
    if (!key.startsWith(`tus::espalier|${team}|`)) continue;
    const [, , name, size, modified] = key.slice(5).split("::")[0].split("|");
    const note = document.getElementById("upload-left").content.cloneNode(true).firstElementChild;
    note.querySelector("[data-part=name]").textContent = name;
    note.querySelector("[data-part=amount]").textContent = mb(Number(size));
    note.querySelector("button").addEventListener("click", () => { localStorage.removeItem(key); note.remove(); });
    note.dataset.print = ["espalier", team, name, size, modified].join("|");
    list.append(note);
  }

  function take(files) {
    for (const file of files) {
      for (const note of list.querySelectorAll("[data-print]")) if (note.dataset.print === print(file)) note.remove();
      new Row(file);
    }
  }

  const input = zone.querySelector("input[type=file]");
  input.addEventListener("change", () => { take(input.files); input.value = ""; });
  for (const button of document.querySelectorAll("[data-choose-files]")) button.addEventListener("click", () => input.click());
  let depth = 0;
  const carries = (event) => event.dataTransfer && Array.from(event.dataTransfer.types).includes("Files");
  document.addEventListener("dragenter", (event) => { if (carries(event)) { depth += 1; zone.classList.add("over"); } });
  document.addEventListener("dragleave", () => { depth = Math.max(0, depth - 1); if (!depth) zone.classList.remove("over"); });
  document.addEventListener("dragover", (event) => { if (carries(event)) event.preventDefault(); });
  document.addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    depth = 0;
    zone.classList.remove("over");
    take(event.dataTransfer.files);
  });
  window.addEventListener("beforeunload", (event) => { if (active && !active.finished) event.preventDefault(); });
})();
