// Runs before the first paint, so that a chosen look does not flicker.
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch { /* private windows keep nothing */ }
