// FiftyOne's theme, light or dark, for the review's own elements and for MUI.
const mui = window.__mui__;
const ATTRIBUTE = "data-mui-color-scheme";

export const mode = () => (document.documentElement.getAttribute(ATTRIBUTE) === "light" ? "light" : "dark");

export function onTheme(listener) {
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: [ATTRIBUTE] });
}

const SCHEMES = {
  light: { primary: { main: "#0b5cad" }, text: { primary: "#16191d" }, background: { paper: "#ffffff" } },
  dark: { primary: { main: "#7db7f5" }, text: { primary: "#f0f2f4" }, background: { paper: "#22272e" } },
};
const made = {};
export function theme(name) {
  made[name] = made[name] || mui.createTheme({
    palette: { mode: name, ...SCHEMES[name] },
    typography: { fontFamily: "system-ui, sans-serif", button: { textTransform: "none" } },
  });
  return made[name];
}
