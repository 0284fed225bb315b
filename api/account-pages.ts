import { Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import type { NoticePurpose } from '../domain/notices';
import type { AppEnv } from './context';

/** Where the links of account mail lead (`noticeLink`): two forms that call the API like anybody else. */
const FORMS: Readonly<Record<NoticePurpose, { title: string; action: string; button: string }>> = {
  invitation: {
    title: 'Aceitar o convite',
    action: '/v1/invitations/accept',
    button: 'Entrar para a equipe',
  },
  password_reset: {
    title: 'Escolher uma nova senha',
    action: '/v1/password-resets/confirm',
    button: 'Trocar a senha',
  },
};

function page(purpose: NoticePurpose): string {
  const { title, action, button } = FORMS[purpose];
  return `<!doctype html>
<html lang="pt-BR">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="robots" content="noindex" />
    <title>${title}</title>
    <link rel="stylesheet" href="/conta/estilo.css" />
  </head>
  <body>
    <main>
      <h1>${title}</h1>
      <form data-action="${action}">
        <label>Nova senha (10 caracteres ou mais)
          <input name="password" type="password" autocomplete="new-password" minlength="10" maxlength="200" required />
        </label>
        <label>A mesma senha outra vez
          <input name="again" type="password" autocomplete="new-password" required />
        </label>
        <button>${button}</button>
      </form>
      <p role="status"></p>
    </main>
    <script src="/conta/formulario.js"></script>
  </body>
</html>
`;
}

const STYLE = `body { font: 1rem/1.5 system-ui, sans-serif; margin: 0; background: #f4f5f7; color: #1c2430; }
main { max-width: 24rem; margin: 10vh auto; padding: 2rem; background: #fff; border-radius: 8px; }
h1 { font-size: 1.25rem; margin-top: 0; }
label { display: block; margin-bottom: 1rem; }
input, button { font: inherit; width: 100%; box-sizing: border-box; padding: 0.5rem; margin-top: 0.25rem; }
`;

/** The token leaves the address bar at once, so that it is in no history and no screenshot. */
const SCRIPT = `const token = new URLSearchParams(location.search).get('token') ?? '';
history.replaceState(null, '', location.pathname);
const form = document.querySelector('form');
const status = document.querySelector('[role=status]');
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const { password, again } = Object.fromEntries(new FormData(form));
  if (password !== again) {
    status.textContent = 'As duas senhas são diferentes.';
    return;
  }
  const answer = await fetch(form.dataset.action, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token, password }),
  }).catch(() => null);
  if (answer?.ok) {
    form.hidden = true;
    status.textContent = 'Pronto. Você já pode entrar com a nova senha.';
    return;
  }
  const problem = await answer?.json().catch(() => null);
  const pointers = (problem?.errors ?? []).map((error) => error.pointer);
  if (pointers.includes('/token')) {
    status.textContent = 'Este endereço já foi usado ou venceu. Peça um novo.';
  } else if (pointers.includes('/password')) {
    status.textContent = 'Esta senha é fácil de adivinhar. Escolha outra.';
  } else {
    status.textContent = 'Não foi possível agora. Tente de novo em instantes.';
  }
});
`;

export function accountPages() {
  const policy = secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      connectSrc: ["'self'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
    },
  });
  const type = (name: string) => ({ 'content-type': `text/${name}; charset=utf-8` });
  return new Hono<AppEnv>()
    .use(policy)
    .get('/convite', (c) => c.html(page('invitation')))
    .get('/nova-senha', (c) => c.html(page('password_reset')))
    .get('/estilo.css', (c) => c.body(STYLE, 200, type('css')))
    .get('/formulario.js', (c) => c.body(SCRIPT, 200, type('javascript')));
}
