import type { Locator, Page } from '@playwright/test'
import { expect } from './fixtures.ts'

/** The hands of who has no mouse. */
export function keyboardOf(page: Page) {
  /** Tab by Tab, to what must be reached in so many; and it shows that it has the focus. */
  const tabTo = async (target: Locator, within = 20) => {
    const reached = () => target.evaluate((element) => element === document.activeElement)
    for (let presses = 0; !(await reached()); presses += 1) {
      expect(presses, `presses of Tab until ${String(target)}`).toBeLessThan(within)
      await page.keyboard.press('Tab')
    }
    await seesFocusOn(target)
  }
  const seesFocusOn = async (target: Locator) => {
    await expect(target).toBeFocused()
    await expect(target).toBeInViewport()
    expect(await target.evaluate((element) => [getComputedStyle(element).outlineStyle, getComputedStyle(element).outlineWidth])).toEqual(['solid', '2px'])
  }
  const press = async (target: Locator) => {
    await tabTo(target)
    await page.keyboard.press('Enter')
  }
  const type = async (target: Locator, text: string) => {
    await tabTo(target)
    await page.keyboard.type(text)
  }
  return { press, seesFocusOn, type }
}
