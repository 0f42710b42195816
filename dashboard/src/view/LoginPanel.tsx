import { useEffect, useRef } from "preact/hooks";
import { logIn, login } from "../model/act";
import { loginOpen } from "../model/session";
import { t } from "../texts";
import { RefusalNote } from "./RefusalNote";
import "./LoginPanel.css";

/** Docked beneath the banner, so that alarms stay in sight while a person types. */
export function LoginPanel() {
  const user = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  useEffect(() => user.current?.focus(), []);
  const submit = (event: Event): void => {
    event.preventDefault();
    void logIn(user.current?.value ?? "", password.current?.value ?? "");
  };
  return (
    <form class="login-panel" aria-label={t("login")} onSubmit={submit}>
      <h2>{t("login")}</h2>
      <label>
        {t("user")}
        <input ref={user} data-testid="login-user" autocomplete="username" required />
      </label>
      <label>
        {t("password")}
        <input ref={password} data-testid="login-password" type="password" autocomplete="current-password" required />
      </label>
      <RefusalNote refusal={login.refusal.value} login />
      <div class="login-buttons">
        <button type="button" onClick={() => (loginOpen.value = false)}>
          {t("cancel")}
        </button>
        <button type="submit" class="primary" data-testid="login-submit" disabled={login.pending.value}>
          {login.pending.value ? t("sending") : t("login")}
        </button>
      </div>
    </form>
  );
}
