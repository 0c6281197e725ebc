// The page reads without this: it adds the theme toggle, sortable tables, and the marker in the rail.
(() => {
  const root = document.documentElement;
  const remember = (theme) => { try { localStorage.setItem("intermodal-theme", theme); } catch { /* a sandboxed frame has no storage */ } };
  const recall = () => { try { return localStorage.getItem("intermodal-theme"); } catch { return null; } };
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  const toggle = document.querySelector(".toggle");
  const show = () => toggle?.setAttribute("aria-pressed", String(isDark()));
  const saved = recall();
  if (saved === "dark" || saved === "light") root.dataset.theme = saved;
  toggle?.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; remember(root.dataset.theme); show(); });
  show();

  const key = (row, index) => {
    const cell = row.cells[index], text = cell.dataset.v ?? cell.textContent.trim(), value = Number(text);
    return text === "" || Number.isNaN(value) ? text : value;
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  document.querySelectorAll("table.sortable thead th").forEach((th) => {
    const index = th.cellIndex, button = document.createElement("button");
    button.type = "button";
    button.append(...th.childNodes);
    th.append(button);
    button.addEventListener("click", () => {
      const down = th.getAttribute("aria-sort") === "ascending", body = th.closest("table").tBodies[0];
      for (const other of th.parentNode.cells) other.removeAttribute("aria-sort");
      th.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((a, b) => compare(key(a, index), key(b, index)));
      body.append(...(down ? rows.reverse() : rows));
    });
  });

  const open = () => { const target = document.getElementById(location.hash.slice(1)); if (target?.tagName === "DETAILS") target.open = true; };
  addEventListener("hashchange", open);
  open();

  const links = new Map([...document.querySelectorAll(".rail a")].map((link) => [link.hash.slice(1), link]));
  const mark = (id) => links.forEach((link, at) => link.classList.toggle("here", at === id));
  const seen = new IntersectionObserver((entries) => entries.forEach((entry) => entry.isIntersecting && mark(entry.target.id)), { rootMargin: "-15% 0px -75% 0px" });
  links.forEach((_, id) => { const section = document.getElementById(id); if (section) seen.observe(section); });
})();
