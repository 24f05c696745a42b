// Sounds until somebody attends: two tones for urgent, one for the rest, more often the louder it is.

const PATTERN = {
  urgent: { every_ms: 1600, tones: [880, 660, 880] },
  important: { every_ms: 3200, tones: [660, 660] },
  routine: { every_ms: 8000, tones: [520] },
};
const MUTE_MS = 60000;

export class Sound {
  #context = null;
  #level = null;
  #timer = null;
  #muted_until_ms = 0;
  #changed;
  played = 0;

  constructor(changed) {
    this.#changed = changed;
    for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => this.#unlock(), { capture: true });
    setInterval(() => changed(), 1000);
  }

  get blocked() { return this.#level !== null && this.#context?.state !== "running"; }
  get muted_s() { return Math.max(0, Math.ceil((this.#muted_until_ms - Date.now()) / 1000)); }

  mute() {
    this.#muted_until_ms = this.muted_s ? 0 : Date.now() + MUTE_MS;
    this.#changed();
  }

  unmute() { this.#muted_until_ms = 0; }

  call(level) {
    if (level === this.#level) return;
    this.#level = level;
    clearInterval(this.#timer);
    if (level !== null) {
      this.#play();
      this.#timer = setInterval(() => this.#play(), PATTERN[level].every_ms);
    }
    this.#changed();
  }

  #unlock() {
    this.#context ??= new AudioContext();
    if (this.#context.state !== "running") this.#context.resume().then(() => { this.#play(); this.#changed(); });
  }

  #play() {
    if (this.#level === null || this.muted_s || this.#context?.state !== "running") return;
    this.played += 1;
    PATTERN[this.#level].tones.forEach((hz, index) => {
      const start_s = this.#context.currentTime + 0.22 * index;
      const tone = this.#context.createOscillator();
      const loudness = this.#context.createGain();
      tone.frequency.value = hz;
      tone.type = "triangle";
      loudness.gain.setValueAtTime(0.0001, start_s);
      loudness.gain.exponentialRampToValueAtTime(0.5, start_s + 0.02);
      loudness.gain.exponentialRampToValueAtTime(0.0001, start_s + 0.2);
      tone.connect(loudness).connect(this.#context.destination);
      tone.start(start_s);
      tone.stop(start_s + 0.21);
    });
  }
}
