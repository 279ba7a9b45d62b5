/**
 * What a job displayed, where JupyterLab's sanitizer is not there. The kernel has cleaned it already; nothing relies
 * on that. What is allowed is made anew, element by element; the rest is left out with its content, or becomes text.
 */
const words = (text: string) => new Set(text.split(' '));

const TAGS = words(
  'a abbr b blockquote br caption cite code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 ' +
    'h6 hr i img ins kbd li mark ol p pre progress q s samp small span strong sub summary sup table tbody td tfoot th ' +
    'thead time tr u ul var wbr'
);
const SILENCED = words(
  'audio base button embed form frame frameset iframe input link math meta noembed noframes noscript object plaintext ' +
    'script select style svg template textarea title video xmp'
);
const ATTRIBUTES = words('align alt colspan datetime dir height max open rowspan scope span title value width');
const STYLES = words(
  'background-color border-collapse color font-family font-size font-style font-weight margin margin-bottom margin-left ' +
    'margin-right margin-top max-width overflow-x padding padding-bottom padding-left padding-right padding-top ' +
    'text-align text-decoration vertical-align white-space width'
);
const PICTURE = /^data:image\/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=\s]+$/;
const DEEPEST = 200;

/** HTML with nothing in it that runs, is fetched, or styles what is around it. */
export function sanitize(html: string): string {
  const body = new DOMParser().parseFromString(html, 'text/html').body;
  const clean = document.implementation.createHTMLDocument('').createElement('div');
  copy(body, clean, 0);
  return clean.innerHTML;
}

function copy(from: Node, to: Element, depth: number): void {
  for (const node of [...from.childNodes]) {
    if (node.nodeType === Node.TEXT_NODE) {
      to.append(node.textContent ?? '');
    } else if (node.nodeType === Node.ELEMENT_NODE && depth < DEEPEST) {
      const element = node as HTMLElement;
      const tag = element.localName;
      if (SILENCED.has(tag) || element.namespaceURI !== 'http://www.w3.org/1999/xhtml') {
        continue;
      }
      const made = TAGS.has(tag) ? to.ownerDocument.createElement(tag) : to;
      if (made !== to) {
        attributes(element, made as HTMLElement);
        to.append(made);
      }
      copy(element, made, depth + 1);
    }
  }
}

function attributes(from: HTMLElement, to: HTMLElement): void {
  for (const { name, value } of [...from.attributes]) {
    if (ATTRIBUTES.has(name) || (from.localName === 'img' && name === 'src' && PICTURE.test(value))) {
      to.setAttribute(name, value);
    } else if (from.localName === 'a' && name === 'href' && /^https?:\/\//i.test(value)) {
      to.setAttribute('href', value);
      to.setAttribute('rel', 'noopener noreferrer');
    }
  }
  for (const name of Array.from(from.style)) {
    const value = from.style.getPropertyValue(name);
    if (STYLES.has(name) && !/url|image|expression|\\/i.test(value)) {
      to.style.setProperty(name, value);
    }
  }
}
