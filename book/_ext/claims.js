// The ledger of claims: show those of the chosen verdicts that hold every word typed.
"use strict";
(() => {
  const form = document.querySelector(".dit-filter");
  const [input, output] = [form.querySelector("input"), form.querySelector("output")];
  const buttons = [...form.querySelectorAll("button")];
  const claims = [...document.querySelectorAll(".admonition.claim")];
  const texts = claims.map(claim => claim.textContent.toLowerCase());

  const filter = () => {
    const verdicts = buttons
      .filter(button => button.ariaPressed === "true")
      .map(button => `claim-${button.dataset.verdict}`);
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    claims.forEach((claim, i) => {
      const chosen =
        !verdicts.length || verdicts.some(v => claim.classList.contains(v));
      const fits = chosen && words.every(word => texts[i].includes(word));
      claim.hidden = !fits;
      shown += fits;
    });
    output.textContent =
      shown === claims.length
        ? `${shown} claims`
        : `${shown} of ${claims.length} claims`;
  };

  for (const button of buttons) {
    button.addEventListener("click", () => {
      button.ariaPressed = button.ariaPressed === "true" ? "false" : "true";
      filter();
    });
  }
  input.addEventListener("input", filter);
  form.addEventListener("submit", event => event.preventDefault());
})();
