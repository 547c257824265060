// Formulas of a table of costs, evaluated; a run held in the address of a page. Needs
// base.

const FUNCTIONS = { ceil: Math.ceil, floor: Math.floor, min: Math.min, max: Math.max };
const WORD = /\s*(\*\*|[-+*/(),]|[A-Za-z_]\w*|\d+(?:\.\d+)?(?:e[-+]?\d+)?)/y;

/** An expression as a function of { name: number }: numbers, names, + - * / **,
 *  parentheses and FUNCTIONS, as formulas.py reads them. */
function parsed(text) {
  const words = [],
    source = text.trim();
  for (WORD.lastIndex = 0; WORD.lastIndex < source.length; ) {
    const at = WORD.lastIndex,
      found = WORD.exec(source);
    if (!found) throw new Error(`${text}: cannot read ${source.slice(at)}`);
    words.push(found[1]);
  }
  let place = 0;
  const take = (...wanted) => (wanted.includes(words[place]) ? words[place++] : null);
  const need = word => take(word) ?? fail();
  const fail = () => {
    throw new Error(`${text}: unexpected ${words[place] ?? "end"}`);
  };
  const chain = (next, operations) => () => {
    let left = next();
    for (let sign; (sign = take(...Object.keys(operations))); ) {
      const [a, b, operation] = [left, next(), operations[sign]];
      left = known => operation(a(known), b(known));
    }
    return left;
  };
  function atom() {
    const word = words[place++];
    if (word === "(") {
      const inside = sum();
      need(")");
      return inside;
    }
    if (/^\d/.test(word)) return () => +word;
    if (!/^\w/.test(word ?? "")) fail(place--);
    if (!take("("))
      return known => {
        if (!Object.hasOwn(known, word))
          throw new Error(`${text}: ${word} is not known here`);
        return known[word];
      };
    if (!Object.hasOwn(FUNCTIONS, word)) fail();
    const parts = [sum()];
    while (take(",")) parts.push(sum());
    need(")");
    return known => FUNCTIONS[word](...parts.map(part => part(known)));
  }
  function raised() {
    const base = atom(),
      exponent = take("**") && raised();
    return exponent ? known => base(known) ** exponent(known) : base;
  }
  const product = chain(raised, { "*": (a, b) => a * b, "/": (a, b) => a / b });
  const sum = chain(product, { "+": (a, b) => a + b, "-": (a, b) => a - b });
  const whole = sum();
  return place < words.length ? fail() : whole;
}

/** The numbers that a machine of the table sets for a precision and a number of
 *  devices. */
const machineNumbers = (machine, precision, devices) => ({
  peak: machine.peak[precision],
  share: machine.share,
  memory: machine.memory,
  link: devices <= machine.joined ? machine.link : machine.network,
  latency: machine.latency,
  price: machine.price,
});

/** run -> { formula: number }, for a table. */
function calculator({ choices, formulas, machines }) {
  const recipe = Object.entries(formulas).map(([name, text]) => [name, parsed(text)]);
  return run => {
    const options = Object.keys(choices)
      .filter(name => name in run)
      .map(name => choices[name][run[name]]);
    const known = Object.assign(
      {},
      ...options,
      machineNumbers(machines[run.machine], run.precision, run.devices),
      run,
    );
    for (const [name, step] of recipe) known[name] = step(known);
    return known;
  };
}

/** What is wrong with a number or a pair of numbers; "" if nothing is. */
function wrong({ inputs, choices }, run, key = "") {
  const words = { image_size: "The image's side", width: "D", depth: "L", heads: "h" };
  for (const name of key ? [key] : Object.keys(run)) {
    const limits = inputs[name],
      value = run[name];
    if (!limits) continue;
    const fits =
      Number.isFinite(value) &&
      value >= limits.low &&
      value <= limits.high &&
      (!limits.whole || Number.isInteger(value));
    if (!fits)
      return `${words[name] ?? "This"} must be a ${limits.whole ? "whole " : ""}number from ${number(limits.low)} to ${number(limits.high)}.`;
  }
  const { downsampling } = choices.space[run.space];
  if (run.image_size % (downsampling * run.patch_size))
    return downsampling > 1 && run.image_size % downsampling
      ? `A latent needs a side that is a multiple of ${downsampling}.`
      : `A patch of ${run.patch_size} does not divide this image evenly.`;
  if (run.width % run.heads)
    return `h = ${run.heads} heads do not divide D = ${run.width}.`;
  return "";
}

const toAddress = (mark, run) => mark + new URLSearchParams(run);
/** The run that an address holds, without invalid entries; null if it holds none. */
function fromAddress(mark, hash, { inputs, choices, machines }, first) {
  if (!hash.startsWith(mark)) return null;
  const given = {};
  for (const [name, text] of new URLSearchParams(hash.slice(mark.length))) {
    const options =
      name === "machine"
        ? machines
        : Object.hasOwn(choices, name)
          ? choices[name]
          : null;
    if (options)
      Object.hasOwn(options, text) &&
        Object.hasOwn(first, name) &&
        (given[name] = text);
    else if (
      Object.hasOwn(inputs, name) &&
      text.trim() &&
      !(name in choices.space.latent)
    ) {
      const run = { ...first, [name]: Number(text) },
        limits = inputs[name],
        value = run[name];
      if (
        Number.isFinite(value) &&
        value >= limits.low &&
        value <= limits.high &&
        (!limits.whole || Number.isInteger(value))
      )
        given[name] = value;
    }
  }
  return given;
}
